"""How long somebody waits who has made one job, beside a worker that has nothing else to do."""

from __future__ import annotations

import random
import time

from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.place import Place


def pickup(place: Place) -> Figures:
    """From before ``delay()`` to the first line of the task."""
    count, call, pause = place.many(1_000), place.tasks.picked_up.delay, random.Random(1)
    with place.worker(2):
        for number in range(1, count + 1):
            call(time.monotonic_ns())
            place.until(lambda number=number: place.tallies.total() >= number, every=0.001)  # type: ignore[misc]
            # Long enough for the children to be asleep again.
            time.sleep(pause.uniform(0.005, 0.015))
    return milliseconds(place.tallies.notes(), 50, 99)


def round_trip(place: Place) -> Figures:
    """``delay().get()``."""
    count, call = place.many(1_000), place.tasks.nothing.delay
    took = []
    with place.worker(2):
        call(0).get(timeout=10)
        for number in range(count):
            start = time.perf_counter_ns()
            call(number).get(timeout=10)
            took.append(time.perf_counter_ns() - start)
    return milliseconds(took, 50, 99)
