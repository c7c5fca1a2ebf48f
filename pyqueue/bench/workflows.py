"""How fast jobs are run and made that wait for each other."""

from __future__ import annotations

import time
from itertools import chain as joined
from resource import RUSAGE_SELF, getrusage
from typing import Final

from pyqueue import chain, chord, group
from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place

_STEPS: Final = 1_000
_ROUNDS: Final = 5


def chord_beside_plain(place: Place) -> Figures:
    """A chord of 10,000 no-ops and 10,000 no-ops alone, in turns, from before they are made to the last result."""
    members, task, app = place.whole(10_000), place.tasks.nothing, place.app
    took: dict[str, list[float]] = {"chord": [], "plain": []}
    with place.worker(2):
        task.delay(0).get(timeout=10)
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            chord((task.s(0) for _ in range(members)), task.si(0)).delay().get(timeout=60)
            between = time.perf_counter()
            first = place.succeeded()
            plain = time.perf_counter()
            app.enqueue_many(joined((task.s(0) for _ in range(members)), [task.s(0)]))
            end = place.until(lambda first=first: place.succeeded() >= first + members + 1)  # type: ignore[misc]
            took["chord"].append(between - start)
            took["plain"].append(end - plain)
    middle = {name: sorted(each)[_ROUNDS // 2] for name, each in took.items()}
    return {"ratio": middle["chord"] / middle["plain"], "rate": members / middle["chord"]}


def chain_steps(place: Place) -> Figures:
    """Steps of a chain of 1,000, one after the other, from before ``delay()`` to the last result."""
    task = place.tasks.nothing
    took = []
    with place.worker(2):
        task.delay(0).get(timeout=10)
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            chain(*(task.si(0) for _ in range(_STEPS))).delay().get(timeout=60)
            took.append(time.perf_counter() - start)
    return {"rate": _STEPS / sorted(took)[_ROUNDS // 2]}


def large_group(place: Place) -> Figures:
    """A group of 100,000 of a generator, stored in one transaction: how long it takes, and the memory it needs."""
    members, task = place.whole(100_000), place.tasks.nothing
    task.delay(0)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    group(task.s(0) for _ in range(members)).delay()
    took = time.perf_counter() - start
    return {
        "seconds": took,
        "memory_mb": (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024,
        "members": place.app.store.queues()[0].waiting - 1,
    }
