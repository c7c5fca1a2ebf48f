"""Opening, committing and rolling back a transaction, in the way each library wants it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from foreign.libraries import Hand, Scenario

from pyqueue import PyQueue
from pyqueue.foreign.hosts import host_of

Within = Callable[[Scenario[Any]], Any]

INSERT = "INSERT INTO sale VALUES(?)"


def another_can_write(db: Path) -> bool:
    """Asked in another process: two copies of SQLite in one don't see each other's locks."""
    program = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], timeout=0)\n"
        "try: connection.execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError: print('locked')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, str(db)], capture_output=True, text=True, check=True
    )
    return done.stdout != "locked\n"


def test_begin_holds_the_write_lock(
    shop: PyQueue, db: Path, within: Within, sales: Callable[[], list[int]]
) -> None:
    def scenario(hand: Hand) -> None:
        host = host_of(hand.connection)
        assert host.file() == str(db)
        for n, end, left in ((1, host.rollback, []), (2, host.commit, [2]), (3, host.rollback, [2])):
            host.begin()
            assert host.in_transaction()
            assert not another_can_write(db)
            hand.execute(INSERT, n)
            end()
            assert sales() == left
            assert another_can_write(db)

    within(scenario)


def test_begin_takes_the_lock_in_a_transaction_that_is_open(
    shop: PyQueue, db: Path, within: Within, sales: Callable[[], list[int]]
) -> None:
    def scenario(hand: Hand) -> None:
        hand.begin()
        host = host_of(hand.connection)
        host.begin()
        assert not another_can_write(db)
        hand.execute(INSERT, 1)
        host.commit()
        if hand.connection == "default":
            # The inner block of Django's is a savepoint of the outer one.
            assert sales() == []
            hand.commit()
        assert sales() == [1]

    within(scenario)


def test_rows_are_tuples(shop: PyQueue, within: Within) -> None:
    def scenario(hand: Hand) -> None:
        host = host_of(hand.connection)
        host.begin()
        assert host.execute("SELECT ?, 2", (1,)) == [(1, 2)]
        assert host.execute(INSERT, (1,)) == []
        assert host.inserted(INSERT, (1,))
        assert not host.inserted("INSERT INTO sale SELECT 1 WHERE ?", (0,))
        host.rollback()

    within(scenario)


def test_a_host_is_its_own(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        host = host_of(connection)
        assert host_of(host) is host
