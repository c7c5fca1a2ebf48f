"""Whether many jobs in line, or set for later, slow the others down; and what they take of the disk."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import Final

from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError

_A_DAY: Final = 86_400.0
_WINDOW: Final = 4.0


def million_waiting(place: Place) -> Figures:
    """The rate at which jobs are run with 1,000,000 in line, and the bytes of the file for each."""
    return _waiting(place, 1_000_000)


def ten_million_waiting(place: Place) -> Figures:
    """The same with 10,000,000."""
    return _waiting(place, 10_000_000)


def nothing_else(place: Place) -> Figures:
    """The rate with nothing but the few seconds' work that is measured: what the deep ones are compared with."""
    return _rate_of(place, place.many(400_000, least=20_000))


def million_delayed(place: Place) -> Figures:
    """The rate with 1,000,000 jobs set for tomorrow."""
    place.fill(place.whole(1_000_000), place.tasks.nothing.s(0).set(countdown=_A_DAY))
    return _rate_of(place, place.many(400_000, least=20_000))


def million_paused(place: Place) -> Figures:
    """The rate behind 1,000,000 jobs of a paused task that come before all others.

    ``aside_s`` is how long it takes a worker to set them aside, which it does once.
    """
    app, jobs = place.app, place.whole(1_000_000)
    app.pause(f"task={place.tasks.short.name}")
    place.fill(jobs, place.tasks.short.s(0))
    with place.worker(2):
        began = time.perf_counter()
        aside = place.until(lambda: sum(queue.parked for queue in app.store.queues()) == jobs, every=0.01)
    return {"aside_s": aside - began, **_rate_of(place, place.many(400_000, least=20_000))}


def _waiting(place: Place, jobs: int) -> Figures:
    jobs = place.whole(jobs)
    place.fill(jobs)
    # Until then a part of the jobs is in the log and not in the file.
    with closing(sqlite3.connect(place.db)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = os.stat(place.db).st_size
    return {"file_bytes_a_job": size / jobs, **_rate_of(place, 0)}


def _rate_of(place: Place, more: int) -> Figures:
    if more:
        place.fill(more)
    ready = sum(queue.waiting for queue in place.app.store.queues())
    window = place.seconds(_WINDOW, least=2.0)
    with place.worker(2):
        start = place.until(lambda: place.tallies.total() > 0)
        first = place.tallies.total()
        if first >= ready:
            raise QueueError(f"{ready:,} jobs were done before the first look: too few to measure")
        place.until(lambda: place.succeeded() >= ready or time.perf_counter() - start > window, every=0.005)
        done, end = place.succeeded(), time.perf_counter()
    return {"rate": (done - first) / (end - start), "done": done}
