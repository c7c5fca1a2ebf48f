"""How long somebody waits for a worker's answer to a command while all its slots are busy."""

from __future__ import annotations

import random
import time
from typing import Final

from pyqueue.answers import Answers
from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError

_BURN: Final = 0.001
_PATIENCE: Final = 30.0


def answers_under_load(place: Place) -> Figures:
    """``control.ping()`` and ``control.time_limit(…, reply=True)`` in turn, while 2 children drain 20,000 jobs of 1 ms.

    The first only asks. The second is written down before it is obeyed, and goes through the supervisor.
    """
    jobs, pause = place.whole(20_000), random.Random(1)
    control, other = place.app.control, place.tasks.long.name
    place.fill(jobs, place.tasks.burnt.s(_BURN))
    asked: list[int] = []
    changed: list[int] = []
    with place.worker(2):
        place.until(lambda: place.tallies.total() > 0)
        while place.tallies.total() < jobs:
            start = time.perf_counter_ns()
            answers = control.ping(timeout=_PATIENCE)
            middle = time.perf_counter_ns()
            told: Answers | None = control.time_limit(other, hard=60, reply=True, timeout=_PATIENCE)
            end = time.perf_counter_ns()
            if len(answers) != 1 or told is None or len(told) != 1:
                raise QueueError("the worker has not answered")
            asked.append(middle - start)
            changed.append(end - middle)
            time.sleep(pause.uniform(0.005, 0.02))
        place.until(lambda: place.succeeded() >= jobs)
    second = {f"changing_{name}": value for name, value in milliseconds(changed, 50, 99).items()}
    return {**milliseconds(asked, 50, 99), **second, "answers": len(asked)}
