"""What clients did, one line each, in a file of each process's own: the evidence that a SIGKILL leaves behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


def boot_us() -> int:
    """The clock of all events: one for all processes, and no step of the wall clock moves it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Process:
    """A process that wrote events."""

    __slots__ = ("doomed", "opened", "parent", "pid", "role")

    def __init__(self, role: str, pid: int, parent: int, opened: int = 0) -> None:
        self.role, self.pid, self.parent, self.opened = role, pid, parent, opened
        self.doomed: int | None = None
        """When somebody set out to kill it or its parent: it may be gone from then on."""

    def __repr__(self) -> str:
        return f"{self.role} {self.pid}"


class Event(NamedTuple):
    """One line. ``kind`` is invoke, ok, fail (it has no effect) or info (in doubt: it may have one)."""

    at: int
    process: Process
    op: str
    kind: str
    subject: str
    """The public id of a job, the name of an enqueue, or a pid."""
    facts: tuple[str, ...]


class Recorder:
    """Appends to this process's file: one write an event, numbered, so that a missing line shows."""

    def __init__(self, folder: Path, role: str) -> None:
        pid, turn, flags = os.getpid(), 0, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL
        while True:
            # Process ids come again.
            self.path = folder / f"{role}-{pid}-{turn}.events"
            try:
                self._fd = os.open(self.path, flags, 0o600)
                break
            except FileExistsError:
                turn += 1
        self._number = 0
        self._lock = threading.Lock()
        self("process", "ok", role, pid, os.getppid())

    def __call__(self, op: str, kind: str, subject: object, *facts: object) -> None:
        with self._lock:
            line = " ".join(map(str, (self._number, boot_us(), op, kind, subject, *facts))) + "\n"
            assert os.write(self._fd, line.encode()) == len(line)
            self._number += 1

    def close(self) -> None:
        os.close(self._fd)


class Reading(NamedTuple):
    """All files of a folder."""

    events: list[Event]
    """By time."""
    faults: list[str]
    """Lines that are missing or torn without an excuse: no verdict can be built on the rest."""


def read(folder: Path, more: Iterable[Event] = ()) -> Reading:
    """Reads every file of the folder. ``more`` are events from elsewhere."""
    events: list[Event] = []
    faults: list[str] = []
    torn: list[Process] = []
    for path in sorted(folder.glob("*.events")):
        lines = path.read_text().split("\n")
        # Nothing after the last newline of a whole file.
        rest = lines.pop()
        process = _process(path, lines)
        if rest:
            torn.append(process)
        for expected, line in enumerate(lines):
            number, at, op, kind, subject, *facts = line.split(" ")
            if int(number) != expected:
                faults.append(f"{path.name}: line {number} stands where {expected} should")
                break
            events.append(
                Event(int(at), process, sys.intern(op), sys.intern(kind), sys.intern(subject), tuple(facts))
            )
    killed = {int(event.subject) for event in events if event.op == "kill"}
    faults += [
        f"the file of {process} ends in a torn line, and nobody killed it"
        for process in torn
        if not {process.pid, process.parent} & killed
    ]
    events += more
    # Stable: the order within a file stays.
    events.sort(key=lambda event: event.at)
    return Reading(events, faults)


def _process(path: Path, lines: list[str]) -> Process:
    role, pid, _ = path.stem.rsplit("-", 2)
    if not lines:
        return Process(role, int(pid), 0)
    _, at, _, _, _, _, parent = lines[0].split(" ")
    return Process(role, int(pid), int(parent), int(at))


def by_hand(text: str) -> Iterator[Event]:
    """A history written by a person: ``time process op kind subject facts``, a line each.

    A process is its name; its number is its pid, and what stands behind a dot is its parent's.
    """
    processes: dict[str, Process] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        at, name, op, kind, subject, *facts = line.split()
        if name not in processes:
            role = name.rstrip("0123456789.")
            pid, _, parent = name.removeprefix(role).partition(".")
            processes[name] = Process(role, int(pid or 0), int(parent or 0))
            yield Event(int(at), processes[name], "process", "ok", role, (pid or "0", parent or "0"))
        yield Event(int(at), processes[name], op, kind, subject, tuple(facts))
