"""One process of the torture: threads of pyqueue and of the application's own SQLite, all on jobs.db.

Each thread has a slot of the notes: its number and the commit's are written into the row, so that every row can be
asked for.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from notes import Notes

from pyqueue import PyQueue
from pyqueue._core import NewJob, Store

DB = "jobs.db"
ROLES = ("steady", "storms", "host", "eager host")
"""The threads of a process; the n-th has the n-th slot from the process's first one."""
OPEN_AND_SHUT = ("apsw",)
"""Beside these no store stays open: only the last connection of a process really closes its descriptors."""

app = PyQueue(DB, durability="normal", embed=True)


@app.task
def put(slot: int, n: int) -> None:
    """A job that nobody runs here."""


Transaction = Callable[[], AbstractContextManager[Callable[..., Any]]]


def _plain(execute: Callable[..., Any]) -> Transaction:
    @contextmanager
    def transaction() -> Iterator[Callable[..., Any]]:
        execute("BEGIN IMMEDIATE")
        try:
            yield execute
            execute("COMMIT")
        except BaseException:
            with suppress(Exception):
                execute("ROLLBACK")
            raise

    return transaction


def standard(timeout: float) -> tuple[Transaction, Callable[[], object]]:
    """The standard library's copy."""
    import sqlite3

    connection = sqlite3.connect(DB, timeout=timeout, isolation_level=None)
    return _plain(connection.execute), connection.close


def other(timeout: float) -> tuple[Transaction, Callable[[], object]]:
    """The copy that apsw brings along."""
    import apsw

    connection = apsw.Connection(DB)
    connection.set_busy_timeout(round(timeout * 1000))
    return _plain(connection.execute), connection.close


def alchemy(timeout: float) -> tuple[Transaction, Callable[[], object]]:
    """SQLAlchemy over the standard library's copy, with its documented recipe for BEGIN IMMEDIATE."""
    from sqlalchemy import create_engine, event

    engine = create_engine(f"sqlite:///{DB}", connect_args={"timeout": timeout})

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextmanager
    def transaction() -> Iterator[Callable[..., Any]]:
        with engine.begin() as connection:
            yield connection.exec_driver_sql

    return transaction, engine.dispose


def is_host(slot: int) -> bool:
    """Whether a slot belongs to a thread of the application."""
    return "host" in ROLES[(slot - 1) % len(ROLES)]


COPIES = {"sqlite3": standard, "apsw": other, "sqlalchemy": alchemy}


def meddle(copy: str) -> None:
    """What else an application may say to its file; refused while others are in the way."""
    said = random.choice(("PRAGMA journal_mode=DELETE", "PRAGMA wal_checkpoint(TRUNCATE)"))
    connection: Any
    if copy == "apsw":
        import apsw

        connection = apsw.Connection(DB)
    else:
        import sqlite3

        connection = sqlite3.connect(DB, timeout=0, isolation_level=None)
    try:
        connection.execute(said).fetchall()
    except Exception as error:
        if not busy(error):
            raise
    finally:
        connection.close()


def busy(error: Exception) -> bool:
    """Whether another connection was in the way for too long: nothing was committed."""
    return "locked" in str(error) or "busy" in str(error).lower()


def body(slot: int, n: int) -> bytes:
    return json.dumps({"v": 1, "args": [slot, n], "kwargs": {}}).encode()


def steady(notes: Notes, slot: int) -> None:
    """The app's own store, which stays open."""
    n = 0
    while not notes.stop:
        n += 1
        notes.acknowledged(slot, n, put.delay(slot, n).id)


def storms(notes: Notes, slot: int) -> None:
    """Opens and closes all the time; every other time it asks for the full durability."""
    n = 0
    while not notes.stop:
        store = Store(DB, embed=True, durability="full" if n % 2 else "normal")
        for _ in range(random.randint(1, 30)):
            n += 1
            [(id, _)] = store.enqueue([NewJob("put", body(slot, n))])
            notes.acknowledged(slot, n, id)
        # So that a host may be in the middle of a transaction.
        time.sleep(random.uniform(0, 0.002))
        store.close()


def host(notes: Notes, slot: int, copy: str, timeout: float) -> None:
    """The application: opens and closes, counts by reading and writing, enqueues in its own transaction."""
    n = 0
    while not notes.stop:
        transaction, close = COPIES[copy](timeout)
        ends = n + random.choice((1, 2, 30, 300))
        while n < ends and not notes.stop:
            try:
                with transaction() as execute:
                    commit(execute, slot, n + 1)
            except Exception as error:
                if not busy(error):
                    raise
                time.sleep(random.uniform(0.0001, 0.002))
            else:
                n += 1
                notes.acknowledged(slot, n)
        close()
        if random.random() < 0.5:
            meddle(copy)


def commit(execute: Callable[..., Any], slot: int, n: int) -> None:
    """The statements of one transaction."""
    (count,) = execute("SELECT n FROM counter").fetchone()
    execute("UPDATE counter SET n=?", (count + 1,))
    if n % 8 == 0:
        # It thinks for a moment: a lock that is dropped meanwhile lets others in.
        time.sleep(0.001)
    (enqueues,) = execute("SELECT count(*) FROM sqlite_schema WHERE name='pyqueue_inbox'").fetchone()
    job = int(enqueues and n % 4 == 0)
    execute("INSERT INTO own VALUES (?, ?, ?)", (slot, n, job))
    if job:
        execute("INSERT INTO pyqueue_inbox(task, body) VALUES ('host', ?)", (body(slot, n),))


def main(copy: str, first: int, ours_after: int) -> None:
    """``ours_after``: how many commits of the host come before the first of ours."""
    notes = Notes(Path("notes"))

    def guarded(act: Callable[..., None], *arguments: Any) -> None:
        try:
            while act is not host and notes.last(first + 2) < ours_after and not notes.stop:
                time.sleep(0.001)
            act(*arguments)
        except Exception as error:
            notes.end()
            with Path("errors").open("a") as file:
                file.write(f"{act.__name__} beside {copy}: {type(error).__name__}: {error}\n")

    threads = []
    for slot, role in enumerate(ROLES, first):
        if role == "steady" and copy in OPEN_AND_SHUT:
            continue
        acts = {
            "steady": (steady, notes, slot),
            "storms": (storms, notes, slot),
            "host": (host, notes, slot, copy, 30.0),
            "eager host": (host, notes, slot, copy, 0.0),
        }
        threads.append(threading.Thread(target=guarded, args=acts[role]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
