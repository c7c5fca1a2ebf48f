"""Rounds of the torture: three processes, each with pyqueue and another copy of SQLite, are killed now and then."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mixing import COPIES, ROLES, is_host
from notes import SLOTS, Notes
from processes import Started

HERE = Path(__file__).parent
STOCK = {"PYQUEUE_TEST_STOCK_LOCKS": "1"}
"""The control arm: our copy of SQLite keeps its own system calls."""


@dataclass
class Round:
    """What a round did and what is wrong after it."""

    journal: str
    seconds: float = 0.0
    ours: int = 0
    hosts: int = 0
    kills: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def commits(self) -> int:
        return self.ours + self.hosts

    def line(self) -> str:
        return json.dumps({**asdict(self), "seconds": round(self.seconds, 1)})


def make_database(folder: Path, journal: str) -> None:
    """The application's file as pyqueue finds it."""
    connection = sqlite3.connect(folder / "jobs.db")
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("CREATE TABLE own(slot INTEGER, n INTEGER, job INTEGER, PRIMARY KEY(slot, n))")
    connection.execute("CREATE TABLE counter(n INTEGER)")
    connection.execute("INSERT INTO counter VALUES (0)")
    connection.commit()
    connection.close()


class Crowd:
    """The processes of a round, one with each copy."""

    def __init__(self, folder: Path, stack: ExitStack, ours_after: int, env: dict[str, str] | None) -> None:
        self._folder, self._stack, self._ours_after, self._env = folder, stack, ours_after, env
        self._next = 1
        self.running = {copy: self.start(copy) for copy in COPIES}

    def start(self, copy: str) -> Started:
        first, self._next = self._next, self._next + len(ROLES)
        arguments = (str(HERE / "mixing.py"), copy, str(first), str(self._ours_after))
        return self._stack.enter_context(Started(self._folder, *arguments, env=self._env, name=copy))

    @property
    def full(self) -> bool:
        """Whether no slots are left for more processes."""
        return self._next + len(ROLES) * len(COPIES) > SLOTS

    def kill(self, copies: list[str]) -> None:
        """All of them at once; then as many new ones."""
        for copy in copies:
            self.running[copy].process.kill()
        for copy in copies:
            self.running[copy].kill()
            self.running[copy] = self.start(copy)

    def ended(self) -> list[str]:
        """What those that ended by themselves say, if it was not with success."""
        return [
            f"the process with {copy} ended with {code}: {process.log.read_text()[-500:]}"
            for copy, process in self.running.items()
            if (code := process.process.poll()) not in (None, 0)
        ]


def run(
    folder: Path,
    *,
    commits: int,
    seconds: float,
    journal: str = "wal",
    kill_every: float = 3.0,
    env: dict[str, str] | None = None,
) -> Round:
    """One round on a new file: until so many commits are acknowledged and somebody was killed, or the time is over."""
    folder.mkdir(parents=True)
    make_database(folder, journal)
    notes, round = Notes(folder / "notes"), Round(journal)
    slots = range(1, SLOTS)
    start = time.monotonic()
    kill_at = start + kill_every
    with ExitStack() as stack:
        crowd = Crowd(folder, stack, 5 if journal == "delete" else 0, env)
        while not (notes.stop or round.faults):
            now = time.monotonic()
            reached = sum(map(notes.last, slots)) >= commits and (round.kills or kill_every > seconds)
            if now - start > seconds or reached or crowd.full:
                break
            if now >= kill_at:
                everybody = random.random() < 0.2
                victims = list(COPIES) if everybody else [random.choice(list(COPIES))]
                crowd.kill(victims)
                round.kills += len(victims)
                kill_at = time.monotonic() + kill_every * random.uniform(0.5, 1.5)
            time.sleep(0.02)
            round.faults += crowd.ended()
        notes.end()
        for copy, process in crowd.running.items():
            try:
                process.wait(45)
            except AssertionError:
                round.faults.append(f"the process with {copy} hangs")
        round.faults += [] if round.faults else crowd.ended()
    round.seconds = time.monotonic() - start
    for slot in slots:
        if is_host(slot):
            round.hosts += notes.last(slot)
        else:
            round.ours += notes.last(slot)
    if (folder / "errors").exists():
        round.faults += (folder / "errors").read_text().splitlines()
    with Started(folder, str(HERE / "auditing.py"), name="audit") as audit:
        code = audit.wait(300)
        said = json.loads(audit.out.read_text()) if code == 0 else [f"the audit ended with {code}"]
    round.faults += said
    return round
