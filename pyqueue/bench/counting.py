"""Every job is counted twice: by the tasks themselves, and by what the file says of successes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError

_KEPT: Final = 100_000
"""The default of ``history_count``, which the rows leave as it is."""


def counted_twice(place: Place, jobs: int) -> Figures:
    """Both counts and the SUCCESS rows in the history. Raises QueueError where they are not those of ``jobs`` jobs."""
    counted, succeeded, rows = place.tallies.total(), place.succeeded(), _history_rows(place.db)
    if counted != jobs or succeeded != jobs or rows < min(jobs, _KEPT):
        raise QueueError(
            f"of {jobs:,} jobs the tasks counted {counted:,}, the file {succeeded:,} successes, with {rows:,} in "
            "its history"
        )
    return {"counted": counted, "succeeded": succeeded, "history_rows": rows}


def _history_rows(path: str) -> int:
    with closing(sqlite3.connect(path, timeout=30)) as file:
        (rows,) = file.execute("SELECT count(*) FROM pyqueue_history WHERE state = 0").fetchone()
    return int(rows)
