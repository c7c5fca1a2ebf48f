"""Killing processes in the middle of jobs, surely.

The driver takes the file's write lock before it looks. A job whose ``running`` row is there then has begun, and
can't end before the lock is free: its last act is to take that row away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

from pyqueue.demo.catalog import transaction
from pyqueue.demo.processes import WorkerProcess, children, gone, kill
from pyqueue.exceptions import QueueError

_KILL_CHILD_AT: Final = 0.25
_KILL_WORKER_AT: Final = 0.50


class Held(NamedTuple):
    """A job in a process: which attempt of it was being made."""

    job: str
    attempt: int
    pid: int


class Kills:
    """One child of the first worker at a quarter of the jobs, the whole second worker at a half.

    ``replace`` starts a worker in the second one's place; ``say`` is told what was done.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        first: WorkerProcess,
        second: WorkerProcess,
        replace: Callable[[], WorkerProcess],
        say: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._first = first
        self._second = second
        self._replace = replace
        self._say = say
        self.of_child: list[Held] = []
        self.of_worker: list[Held] = []

    @property
    def pending(self) -> bool:
        """Whether one is still to come."""
        return not self.of_worker

    @property
    def held(self) -> list[Held]:
        """The jobs that were in the killed processes."""
        return self.of_child + self.of_worker

    def step(self, share: float) -> None:
        """Tries the next kill if its time has come; ``share`` of the jobs are done."""
        if not self.of_child:
            if share >= _KILL_CHILD_AT:
                self.of_child = kill_child(self._connection, self._first)
                self._tell(self.of_child, share, f"one child of worker {self._first.name}")
        elif not self.of_worker and share >= _KILL_WORKER_AT:
            self.of_worker = kill_worker(self._connection, self._second)
            self._tell(self.of_worker, share, f"worker {self._second.name} with its children")
            if self.of_worker:
                third = self._replace()
                self._say(f"worker {third.name} (pid {third.pid}) takes the place of {self._second.name}")

    def _tell(self, held: list[Held], share: float, what: str) -> None:
        if held:
            jobs = ", ".join(f"{each.job} (attempt {each.attempt}, pid {each.pid})" for each in held)
            self._say(f"SIGKILL at {share:.0%}: {what}, in the middle of job {jobs}")


def kill_child(connection: sqlite3.Connection, worker: WorkerProcess) -> list[Held]:
    """Kills one child of the worker that is in a job; the job, or [] if none was caught this time."""
    if not _held(connection, worker.pid):
        return []
    with transaction(connection):
        for seen in _held(connection, worker.pid):
            if seen.pid in children(worker.pid):
                kill(seen.pid)
                return [seen]
    return []


def kill_worker(connection: sqlite3.Connection, worker: WorkerProcess) -> list[Held]:
    """Kills the whole worker while its children are in jobs; the jobs, or [] if none was caught this time.

    Raises QueueError if a child outlives its supervisor.
    """
    if not _held(connection, worker.pid):
        return []
    with transaction(connection):
        every = children(worker.pid)
        held = [seen for seen in _held(connection, worker.pid) if seen.pid in every]
        if held:
            worker.kill()
    if held and not gone(every):
        raise QueueError(f"children of the killed worker {worker.name} are still there: {every}")
    return held


def _held(connection: sqlite3.Connection, worker: int) -> list[Held]:
    # The row of a job that was killed stays until its next attempt; callers look for living processes.
    rows = connection.execute("SELECT job, attempt, pid FROM running WHERE worker = ?", (worker,))
    return [Held(*row) for row in rows]
