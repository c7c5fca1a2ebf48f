"""The task of ``pyqueue demo ledger``: moves money between accounts that stand in the queue's own file.

A transfer is ordered in the transaction that writes its order, and carried out in the transaction that ends its job.
Nothing in the tables would stop a second entry of a transfer: that there is none is the queue's doing.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue import PyQueue

if TYPE_CHECKING:
    from pyqueue.task import Task

ACCOUNTS: Final = 1_000
OPENING: Final = 1_000_000
"""What each account holds at first, in cents."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ordered(transfer INTEGER PRIMARY KEY, job TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entry(id INTEGER PRIMARY KEY, transfer INTEGER NOT NULL, cents INTEGER NOT NULL);
"""

app = PyQueue(embed=True)


@app.task(bind=True, max_retries=None, max_losses=1_000, ignore_result=True)
def move(self: Task[Any, Any], transfer: int, source: int, target: int, cents: int) -> None:
    """Carries out one transfer."""
    with self.transaction() as db:
        db.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (cents, source))
        db.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (cents, target))
        db.execute("INSERT INTO entry(transfer, cents) VALUES (?, ?)", (transfer, cents))


def connect(path: str) -> sqlite3.Connection:
    """A connection of the standard library's SQLite, with transactions as they are written."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    # The queue checkpoints its file; a host that does it too stalls in the middle of its work.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def prepare(path: str) -> None:
    """Opens the accounts."""
    connection = connect(path)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        accounts = ((number, OPENING) for number in range(ACCOUNTS))
        connection.executemany("INSERT INTO account VALUES (?, ?)", accounts)
    connection.close()


def transfer_of(number: int) -> tuple[int, int, int, int]:
    """The transfer of a number: any, but always the same. Knuth's multiplicative hash spreads the accounts."""
    spread = number * 2_654_435_761
    return number, spread % ACCOUNTS, (spread // ACCOUNTS + 1) % ACCOUNTS, 1 + spread % 99


class Books(NamedTuple):
    """What the file says at the end."""

    ordered: int
    jobs: int
    """Orders whose job the queue has as a success."""
    effects: int
    doubled: int
    lost: int
    total: int
    expected: int

    @property
    def wrong(self) -> list[str]:
        """What does not fit, one sentence each."""
        said = {
            f"{self.doubled:,} transfers were carried out more than once": self.doubled,
            f"{self.lost:,} transfers that were ordered were not carried out": self.lost,
            f"{self.ordered - self.jobs:,} orders have no job that succeeded": self.ordered - self.jobs,
            f"the accounts hold {self.total:,} cents and opened with {self.expected:,}": self.total
            - self.expected,
        }
        return [sentence for sentence, difference in said.items() if difference]


def audit(path: str, succeeded: int) -> Books:
    """Counts everything. ``succeeded``: jobs that the queue has as successes."""
    connection = connect(path)

    def count(sql: str) -> int:
        return int(connection.execute(sql).fetchone()[0] or 0)

    books = Books(
        ordered=count("SELECT count(*) FROM ordered"),
        jobs=succeeded,
        effects=count("SELECT count(*) FROM entry"),
        doubled=count("SELECT count(*) FROM (SELECT 1 FROM entry GROUP BY transfer HAVING count(*) > 1)"),
        lost=count("SELECT count(*) FROM ordered WHERE transfer NOT IN (SELECT transfer FROM entry)")
        + count("SELECT count(*) FROM entry WHERE transfer NOT IN (SELECT transfer FROM ordered)"),
        total=count("SELECT sum(balance) FROM account"),
        expected=ACCOUNTS * OPENING,
    )
    connection.close()
    return books
