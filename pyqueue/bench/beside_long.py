"""One long job among many short ones: nobody waits for it who need not."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Final

from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError

_LONG: Final = 2.0


def long_among_short(place: Place) -> Figures:
    """A job of 2 s in the middle of 100,000 short ones, 2 children.

    ``free_ms`` is the longest time for which a child ran nothing while short jobs were still to be started.
    """
    half, app, tasks = place.whole(50_000), place.app, place.tasks
    block = [tasks.short.s(number) for number in range(half)]
    with place.worker(2):
        app.enqueue_many([*block, tasks.long.s(_LONG), *block])
        there = time.monotonic_ns()
        place.until(lambda: place.succeeded() >= 2 * half + 1, every=0.01)
    each = place.tallies.each()
    # The long one counts twice, by its begin and its end.
    counted = sum(map(len, each)) - 1
    if counted != 2 * half + 1:
        raise QueueError(f"of {2 * half + 1:,} jobs the tasks counted {counted:,}")
    return {"free_ms": longest_free_ns(each, there) / 1e6, "counted": counted}


def longest_free_ns(each: list[list[int]], there: int) -> int:
    """How long at most a child ran nothing while a short job was still to be started.

    ``each`` has the instants at which a child began its jobs; those of the long job's begin and end are below
    zero. The jobs were ``there`` at that instant.
    """
    last = max(instant for instants in each for instant in instants)
    longest = 0
    for instants in each:
        for before, after in pairwise([there, *instants, last]):
            if before < 0 and after < 0:
                continue
            longest = max(longest, min(abs(after), last) - abs(before))
    return longest
