"""The tasks of ``pyqueue demo catalog``: many read files, and write one row for each into the queue's own file; once all
have ended one merges their counts, and the next says them.

The row is replaced when a file is read again, so each file is in the catalogue once however often its job is
started. A row of ``running`` stands there while a job is being run, and names the process.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from pyqueue import PyQueue
from pyqueue.demo.reading import Reading, read

if TYPE_CHECKING:
    from pyqueue.task import Task

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS catalog(
    path TEXT PRIMARY KEY,  -- below the root; the bytes the file system has, UTF-8 or not
    sha256 TEXT, bytes INTEGER, mime TEXT,
    lines INTEGER, words INTEGER, chars INTEGER,  -- of text in UTF-8, else NULL
    error TEXT,  -- why the file could not be read
    job TEXT NOT NULL, attempt INTEGER NOT NULL,
    CHECK ((sha256 IS NULL) = (error IS NOT NULL))
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS running(
    job TEXT PRIMARY KEY, attempt INTEGER NOT NULL, pid INTEGER NOT NULL, worker INTEGER NOT NULL
) WITHOUT ROWID;
"""

app = PyQueue(embed=True)


def connect(path: str) -> sqlite3.Connection:
    """A connection of the standard library's SQLite to the queue file; each write is one explicit transaction."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    # The queue checkpoints its file; a host that does it too stalls in the middle of a job.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    # A row that power loss could take is written before its job's ack, so the job would be run again.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.text_factory = os.fsdecode
    return connection


@functools.cache
def _connection(path: str, pid: int) -> sqlite3.Connection:  # noqa: ARG001  one per process, kept open
    return connect(path)


@app.task(bind=True, max_retries=2, autoretry_for=(OSError,), retry_backoff=0.1)
def catalog_files(self: Task[Any, Any], root: str, paths: list[str], stay: float = 0.0) -> list[int]:
    """Reads files below ``root`` and stays ``stay`` seconds longer; how many it could read, and their bytes. One that can't
    be read is tried again, and at last recorded as an error."""
    connection = _connection(app.path, os.getpid())
    job, attempt = str(self.request.id), self.request.attempt
    with transaction(connection):
        connection.execute(
            "INSERT OR REPLACE INTO running VALUES (?, ?, ?, ?)", (job, attempt, os.getpid(), os.getppid())
        )
    last = self.request.retries >= (self.max_retries or 0)
    rows = [_row(root, path, last) for path in paths]
    time.sleep(stay)
    with transaction(connection):
        connection.executemany(
            "INSERT OR REPLACE INTO catalog VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*row, job, attempt) for row in rows],
        )
        connection.execute("DELETE FROM running WHERE job = ?", (job,))
    sizes = [row[2] for row in rows if row[2] is not None]
    return [len(sizes), sum(sizes)]


@app.task
def merge(counts: list[list[int]]) -> list[int]:
    """The sums of what the readers have counted."""
    return [sum(column) for column in zip(*counts, strict=True)] or [0, 0]


@app.task
def report(sums: list[int]) -> str:
    """One sentence of it."""
    return f"{sums[0]:,} files with {sums[1]:,} bytes"


def _row(root: str, path: str, last: bool) -> tuple[Any, ...]:
    name = os.fsencode(path)
    try:
        reading: Reading = read(os.path.join(root, path))
    except OSError as error:
        if not last:
            raise
        return (name, None, None, None, None, None, None, error.strerror or type(error).__name__)
    return (name, *reading, None)


class transaction:
    """``with transaction(connection)``: takes the write lock at once, commits or rolls back at the end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
