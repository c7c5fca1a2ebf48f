"""Rounds of forks on one file: the forking process is killed now and then, and its children live on."""

from __future__ import annotations

import fcntl
import json
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from notes import SLOTS, Notes
from processes import Started

HERE = Path(__file__).parent
THREADS = 3
FORKS = 42
"""Of one forking process: each kind of fork with each doing of a child, twice."""
BLOCK = THREADS + 2 * FORKS
MOST = (SLOTS - 1) // BLOCK * FORKS // 2
"""The forks of a round, where every second process is killed."""


@dataclass
class Round:
    """What a round did and what is wrong after it."""

    seconds: float = 0.0
    forks: int = 0
    kills: int = 0
    parents: int = 0
    children: int = 0
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        return json.dumps({**asdict(self), "seconds": round(self.seconds, 1)})


def all_gone(folder: Path, timeout: float) -> bool:
    """Waits for every descendant of the forking processes."""
    end = time.monotonic() + timeout
    with (folder / "alive").open("a") as alive:
        while time.monotonic() < end:
            try:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.005)
            else:
                return True
    return False


def run(
    folder: Path,
    forks: int,
    *,
    deadline: float = 30,
    seconds: float = 240,
    doings: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> Round:
    """Forks so often on a new file. Nothing may take longer than ``deadline`` seconds."""
    folder.mkdir(parents=True)
    notes, round = Notes(folder / "notes"), Round()
    start = time.monotonic()
    number = 0
    while round.forks < forks and not round.faults and (number + 1) * BLOCK < SLOTS:
        first, wanted = 1 + number * BLOCK, min(FORKS, forks - round.forks)
        doomed = number % 2 == 1 and wanted == FORKS
        arguments = (str(HERE / "forking.py"), str(first), str(wanted), str(deadline), *doings)
        with Started(folder, *arguments, env=env, name="forking") as forking:
            kill_after = random.randrange(FORKS // 2, FORKS) if doomed else FORKS
            since = time.monotonic()
            while forking.process.poll() is None:
                if notes.forked(first) > kill_after:
                    forking.kill()
                    round.kills += 1
                    break
                if time.monotonic() - since > 4 * deadline:
                    round.faults.append(f"the forking process hangs: {forking.log.read_text()[-500:]}")
                    break
                time.sleep(0.005)
            else:
                if forking.process.returncode != 0:
                    round.faults.append(
                        f"it ended with {forking.process.returncode}: {forking.log.read_text()[-500:]}"
                    )
            if not round.faults and not all_gone(folder, deadline):
                round.faults.append("a child hangs after its parent's death")
        round.forks += notes.forked(first)
        round.faults += unfinished(notes, first)
        number += 1
    if (folder / "errors").exists():
        round.faults += (folder / "errors").read_text().splitlines()
    round.seconds = time.monotonic() - start
    for slot in range(1, SLOTS):
        if (slot - 1) % BLOCK < THREADS:
            round.parents += notes.last(slot)
        else:
            round.children += notes.last(slot)
    with Started(folder, str(HERE.parent / "beside" / "auditing.py"), name="audit") as audit:
        code = audit.wait(120)
        round.faults += json.loads(audit.out.read_text()) if code == 0 else [f"the audit ended with {code}"]
    return round


def unfinished(notes: Notes, first: int) -> list[str]:
    """Children that did not come to their end."""
    slots = [first + THREADS + 2 * child for child in range(notes.forked(first))]
    count = sum(not notes.done(slot) for slot in slots)
    return [f"{count} children did not come to their end"] if count else []
