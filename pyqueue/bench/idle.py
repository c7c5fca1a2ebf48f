"""What a worker with nothing to do costs."""

from __future__ import annotations

import time
from typing import Final

from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.bench.processes import cpu_seconds, family, pss_megabytes

_SETTLE: Final = 2.0


def idle(place: Place) -> Figures:
    """CPU and memory (PSS) of a worker and its 2 children that have run a few jobs and wait for more."""
    seconds = place.seconds(20, least=3)
    with place.worker(2) as worker:
        for number in range(10):
            place.tasks.nothing.delay(number).get(timeout=10)
        time.sleep(_SETTLE)
        pids = family(worker.pid)
        before, start = cpu_seconds(pids), time.perf_counter()
        time.sleep(seconds)
        spent = cpu_seconds(pids) - before
        percent = 100 * spent / (time.perf_counter() - start)
        return {"cpu_percent": percent, "pss_mb": pss_megabytes(pids), "processes": len(pids)}
