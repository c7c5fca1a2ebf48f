"""What the disk can do at all, at this hour: figures of ``full`` are read against it."""

from __future__ import annotations

import os
import time

from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.place import Place


def synced_appends(place: Place) -> Figures:
    """4 KiB appended and synced (fdatasync), a second; for 5 s at most."""
    descriptor = os.open(os.path.join(place.folder, "floor"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    block, took = bytes(4096), []
    end = time.perf_counter() + place.seconds(5)
    for _ in range(place.many(3_000)):
        start = time.perf_counter_ns()
        os.write(descriptor, block)
        os.fdatasync(descriptor)
        took.append(time.perf_counter_ns() - start)
        if time.perf_counter() > end:
            break
    os.close(descriptor)
    return {"rate": len(took) / (sum(took) / 1e9), **milliseconds(took, 50, 99)}
