"""The order of steps in which SQLite alone always loses: ``closing.py pyqueue`` or ``closing.py sqlite3``.

The child believes in locks that only its parent has, and the parent, which sees none, deletes the log under the child
as it closes. The connection of the child is a fresh one; that does not help.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from pyqueue import PyQueue

CHILDS = 100
Library = tuple[Callable[[], str], Callable[[], None]]
app = PyQueue("jobs.db", durability="normal")


@app.task
def nop() -> None: ...


def by_pyqueue() -> Library:
    return lambda: nop.delay().id, app.store.close


def by_sqlite3() -> Library:
    connection = sqlite3.connect("jobs.db", timeout=10)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS own(n INTEGER PRIMARY KEY)")

    def write() -> str:
        with connection:
            return str(connection.execute("INSERT INTO own VALUES (NULL)").lastrowid)

    return write, connection.close


def main(library: Callable[[], Library]) -> None:
    write, close = library()
    mine = [write()]
    committed, closed = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        write, _ = library()
        ids = [write()]
        os.write(committed[1], b"x")
        os.read(closed[0], 1)
        ids += [write() for _ in range(CHILDS - 1)]
        with Path("child.json").open("w") as file:
            json.dump(ids, file)
        os._exit(0)
    os.close(committed[1])
    os.read(committed[0], 1)
    close()
    os.write(closed[1], b"x")
    _, status = os.waitpid(child, 0)
    print(json.dumps({"ids": mine, "status": status}))


if __name__ == "__main__":
    main({"pyqueue": by_pyqueue, "sqlite3": by_sqlite3}[sys.argv[1]])
