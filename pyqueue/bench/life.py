"""What many jobs leave behind in the file after they have gone through."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from typing import Final

from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError

_KEPT: Final = 10_000
_AHEAD: Final = 4_000
_CHUNK: Final = 1_000


def ten_million_through(place: Place) -> Figures:
    """10,000,000 jobs enqueued and run side by side, no more than 5,000 of them at once, 10,000 successes kept.

    ``file_to_live`` is the file's size over that of a copy that has only the live rows.
    """
    jobs = place.whole(10_000_000)
    os.environ["PYQUEUE_HISTORY_COUNT"] = str(_KEPT)
    job = place.app.job_of(place.tasks.nothing.s(0))
    made, highest = 0, 0
    with place.worker(2):
        start = time.perf_counter()
        while (done := place.succeeded()) < jobs:
            highest = max(highest, _size(f"{place.db}-wal"))
            if made < jobs and made - done < _AHEAD:
                place.app.store.enqueue([job] * min(_CHUNK, jobs - made))
                made = min(jobs, made + _CHUNK)
            else:
                time.sleep(0.002)
        seconds = time.perf_counter() - start
    counted = place.tallies.total()
    if counted != jobs or place.succeeded() != jobs:
        raise QueueError(
            f"of {jobs:,} jobs the tasks counted {counted:,}, the file {place.succeeded():,} successes"
        )
    with closing(sqlite3.connect(place.db)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.execute("VACUUM INTO ?", (f"{place.db}-live",))
    size, live = _size(place.db), _size(f"{place.db}-live")
    return {
        "rate": jobs / seconds,
        "file_mb": size / 1e6,
        "file_to_live": size / live,
        "wal_mb": highest / 1e6,
        "counted": counted,
    }


def _size(path: str) -> int:
    with suppress(FileNotFoundError):
        return os.stat(path).st_size
    return 0
