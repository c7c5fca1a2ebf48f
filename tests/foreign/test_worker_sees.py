"""A worker runs what a foreign connection has committed, and nothing that it has not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from foreign.libraries import LIBRARIES, Hand

SOURCE = """
from pyqueue import PyQueue

app = PyQueue("jobs.db", embed=True, durability="normal")

@app.task
def add(a, b):
    return a + b
"""


def test_a_foreign_commit_is_picked_up(project: Callable[..., Any], worker: Callable[..., Any]) -> None:
    here = project(SOURCE)
    add = here.load().add
    with closing(sqlite3.connect(here.db)) as connection:
        connection.execute("CREATE TABLE sale(n INTEGER)")
        connection.commit()
    worker("-A", str(here.file), "-c", "1")

    def scenario(hand: Hand) -> None:
        hand.begin()
        hand.execute("INSERT INTO sale VALUES(1)")
        dropped = add.using(hand.connection).delay(1, 1)
        hand.rollback()
        hand.begin()
        hand.execute("INSERT INTO sale VALUES(1)")
        kept = add.using(hand.connection).delay(2, 3)
        delayed = add.using(hand.connection).apply_async((3, 4), countdown=0.05)
        assert kept.state == "UNKNOWN"
        hand.commit()
        assert kept.get(timeout=30) == 5
        assert delayed.get(timeout=30) == 7
        assert dropped.state == "UNKNOWN"

    for run in LIBRARIES.values():
        run(here.db, scenario)
