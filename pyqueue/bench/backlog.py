"""How fast jobs that are there already are run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyqueue._core import Outcome
from pyqueue.bench.counting import counted_twice
from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError

if TYPE_CHECKING:
    from pyqueue.signature import Signature


def drain(place: Place) -> Figures:
    """No-op jobs from a backlog by 2 children, until the last success is written."""
    return drained(place, place.many(400_000, least=20_000))


def drain_by_threads(place: Place) -> Figures:
    """The same by one child with 2 threads: a frame holds as many jobs as threads are free, mostly one."""
    return drained(place, place.many(100_000, least=20_000), None, "-P", "threads")


def drained(place: Place, jobs: int, signature: Signature[Any] | None = None, *flags: str) -> Figures:
    """Puts so many jobs in line, no-ops unless it is said which, and has a worker with 2 children run them."""
    place.fill(jobs, signature)
    with place.worker(2, *flags):
        # What ran before the first look is not counted.
        start = place.until(lambda: place.tallies.total() > 0)
        first = place.tallies.total()
        if first >= jobs:
            raise QueueError(f"{jobs:,} jobs were done before the first look: too few to measure")
        place.until(lambda: place.tallies.total() >= jobs, every=0.005)
        end = place.until(lambda: place.succeeded() >= jobs)
    return {"rate": (jobs - first) / (end - start), **counted_twice(place, jobs)}


def one_by_one(place: Place) -> Figures:
    """Claim of one, finish of one, each in a transaction of its own, through the border and with no child."""
    jobs = place.many(20_000)
    place.fill(jobs)
    store, done = place.app.store, Outcome.success(b"null")
    worker = store.join("bench", 1, 60_000_000)
    start = time.perf_counter()
    while claimed := store.claim(worker, 1):
        store.finish([(claimed[0], done)])
    return {"rate": jobs / (time.perf_counter() - start), "succeeded": place.succeeded()}
