"""How fast jobs are run whose rows, result and end are one commit."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from pyqueue.bench.backlog import drained
from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError


def transactional(place: Place) -> Figures:
    """Jobs from a backlog by 2 children, each of which writes one row through ``self.transaction()``."""
    jobs = place.many(20_000, least=2_000)
    place.app.store.queues()
    with closing(sqlite3.connect(place.db, timeout=30)) as file:
        file.execute("CREATE TABLE sale(id INTEGER PRIMARY KEY, number INTEGER)")
        figures = drained(place, jobs, place.tasks.sold.s(7))
        (rows,) = file.execute("SELECT count(*) FROM sale").fetchone()
    if rows != jobs:
        raise QueueError(f"{jobs:,} jobs have written {rows:,} rows")
    return {**figures, "effects": rows}
