"""The tasks that are measured. Each counts in its process's tally, so a count is of starts, not of acks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyqueue import PyQueue
from pyqueue.bench import tally

if TYPE_CHECKING:
    from pyqueue.task import Task

app = PyQueue(embed=True)


@app.task
def nothing(number: int) -> None:  # noqa: ARG001
    """Counts."""
    tally.count()


@app.task(bind=True)
def sold(self: Task[Any, Any], number: int) -> None:
    """Counts, and writes a row in the transaction that ends its job."""
    with self.transaction() as db:
        db.execute("INSERT INTO sale(number) VALUES (?)", (number,))
        tally.count()


@app.task
def picked_up(sent_ns: int) -> None:
    """Notes how long it took from before ``delay()`` to here."""
    tally.waited(sent_ns)


@app.task
def short(number: int) -> None:  # noqa: ARG001
    """Notes when it ran."""
    tally.note(time.monotonic_ns())


@app.task
def long(seconds: float) -> None:
    """Notes when it began, sleeps, and notes when it ended, both below zero."""
    tally.note(-time.monotonic_ns())
    time.sleep(seconds)
    tally.note(-time.monotonic_ns())


@app.task
def burnt(seconds: float) -> None:
    """Counts, and keeps a processor busy for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    tally.count()
