"""How long a look at workers and jobs takes, with a million jobs in the file."""

from __future__ import annotations

import time
from typing import Final

from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.place import Place
from pyqueue.inspecting import Inspect

_A_DAY: Final = 86_400.0
_LOOKS: Final = (
    *("ping", "active", "reserved", "lost", "scheduled", "registered", "stats", "revoked"),
    *("active_queues", "conf", "report", "query_task"),
)


def inspect(place: Place) -> Figures:
    """Each of ``inspect``'s calls with 500,000 jobs in line and 500,000 delayed, a worker of 2 busy children, and 2,000
    cancelled jobs; those whose figures have no name of their own are all calls together."""
    jobs = place.whole(1_000_000) // 2
    place.fill(jobs, place.tasks.nothing.s(0).set(queue="elsewhere"))
    place.fill(jobs, place.tasks.nothing.s(0).set(countdown=_A_DAY))
    for each in place.app.enqueue_many(
        [place.tasks.nothing.s(0) for _ in range(place.many(2_000, least=50))]
    ):
        each.revoke()
    look = Inspect(app=place.app)
    with place.worker(2, "-Q", "default"):
        long = [place.tasks.long.delay(3_600.0) for _ in range(2)]
        place.until(lambda: len(next(iter(look.active().values()))) == len(long))
        ids = [each.id for each in long]
        everything: list[int] = []
        figures: Figures = {}
        for name in _LOOKS:
            took = []
            call = getattr(look, name)
            for _ in range(place.many(200, least=20)):
                start = time.perf_counter_ns()
                call(*ids) if name == "query_task" else call()
                took.append(time.perf_counter_ns() - start)
            everything += took
            figures |= {f"{name}_{key}": value for key, value in milliseconds(took, 50, 99).items()}
        # The worker would wait for them.
        for each in long:
            each.revoke(terminate=True, signal="SIGKILL")
    return {**milliseconds(everything, 50, 99), **figures}
