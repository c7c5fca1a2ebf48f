"""Killing processes in the middle of jobs, surely.

A victim is frozen first, then looked at: a job whose ``running`` row is still there has not committed, so its
outcome can't have been sent, and it can't go on. Only then comes SIGKILL.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from pyqueue.demo.processes import WorkerProcess, freeze, gone, kill, parent_and_state, thaw
from pyqueue.exceptions import QueueError


class Held(NamedTuple):
    """A job in a process: which attempt of it was being made."""

    job: str
    attempt: int
    pid: int


def kill_child(connection: sqlite3.Connection, worker: WorkerProcess) -> list[Held]:
    """Kills one child of the worker that is in a job; the job, or [] if none was caught this time."""
    for seen in _held(connection, worker.pid):
        if not freeze(seen.pid):
            continue
        if seen in _held(connection, worker.pid):
            kill(seen.pid)
            return [seen]
        thaw(seen.pid)
    return []


def kill_worker(connection: sqlite3.Connection, worker: WorkerProcess) -> list[Held]:
    """Kills the whole worker while its children are in jobs; the jobs, or [] if none was caught this time.

    Raises QueueError if a child outlives its supervisor.
    """
    children = [seen.pid for seen in _held(connection, worker.pid)]
    if not children or not freeze(worker.pid):
        return []
    frozen = [pid for pid in children if freeze(pid)]
    held = [seen for seen in _held(connection, worker.pid) if seen.pid in frozen]
    if not held:
        for pid in (*frozen, worker.pid):
            thaw(pid)
        return []
    worker.kill()
    if not gone(frozen):
        raise QueueError(f"children of the killed worker {worker.name} are still there: {frozen}")
    return held


def _held(connection: sqlite3.Connection, worker: int) -> list[Held]:
    rows = connection.execute("SELECT job, attempt, pid FROM running WHERE worker = ?", (worker,)).fetchall()
    # The row of a job that was killed stays until its next attempt; its process is gone.
    return [Held(*row) for row in rows if (parent_and_state(row[2]) or (0,))[0] == worker]
