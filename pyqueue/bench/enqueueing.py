"""How fast jobs are made."""

from __future__ import annotations

import threading
import time
from typing import Final

from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.place import Place

_THREADS: Final = 16


def delay(place: Place) -> Figures:
    """``delay()`` after ``delay()`` in one thread, for 10 s at most: a disk may sync a hundred times a second."""
    count, call = place.many(40_000), place.tasks.nothing.delay
    call(0)
    took, clock = [], time.perf_counter_ns
    first = before = clock()
    end = first + round(place.seconds(10) * 1e9)
    for number in range(count):
        call(number)
        after = clock()
        took.append(after - before)
        before = after
        if after > end:
            break
    return {"rate": len(took) / ((before - first) / 1e9), **milliseconds(took, 50, 99, 99.9)}


def delay_from_threads(place: Place) -> Figures:
    """``delay()`` in 16 threads at once."""
    each, call = place.many(4_000, least=50), place.tasks.nothing.delay
    call(0)
    begin = threading.Barrier(_THREADS + 1)

    def work() -> None:
        begin.wait()
        for number in range(each):
            call(number)

    crew = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in crew:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    for thread in crew:
        thread.join()
    return {"rate": _THREADS * each / (time.perf_counter() - start)}


def enqueue_many(place: Place) -> Figures:
    """``enqueue_many`` of 1,000 calls, made anew each time, in one transaction."""
    batches, app, task = place.many(300, least=5), place.app, place.tasks.nothing
    app.enqueue_many([task.s(number) for number in range(1_000)])
    start = time.perf_counter()
    for _ in range(batches):
        app.enqueue_many([task.s(number) for number in range(1_000)])
    return {"rate": 1_000 * batches / (time.perf_counter() - start)}
