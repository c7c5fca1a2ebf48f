"""The child's own connection to the queue's file, one a thread and kept, for ``transaction()`` without a connection."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from pyqueue.exceptions import DatabaseBusy, TransactionError
from pyqueue.foreign.host import Host, Value
from pyqueue.worker.guarded import GuardedConnection

OLDEST_SQLITE: Final = (3, 37)
"""Strict tables."""
LONGEST_WAIT: Final = 30.0
"""Seconds for the write lock."""
_PAUSES: Final = (20e-6, 1e-3)
"""Seconds: the first and the longest. SQLite's own handler begins with 1 ms and lets the newest in first."""

# Texts that nobody else prepares: a statement that was allowed once is never asked about again.
_BEGIN: Final = "BEGIN IMMEDIATE -- pyqueue"
_COMMIT: Final = "COMMIT -- pyqueue"
_ROLLBACK: Final = "ROLLBACK -- pyqueue"


class OwnHost(Host):
    """A connection that we have opened and that the task writes its rows through."""

    client = "sqlite3"
    immediate = "self.transaction()"

    def __init__(self, path: str) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise TransactionError(
                f"transaction() needs SQLite 3.37 in Python's sqlite3, and this is {sqlite3.sqlite_version}"
            )
        raw = sqlite3.connect(path, timeout=0, isolation_level=None, factory=GuardedConnection)
        # A plain one: no factory of the user's for rows, none of the guards.
        self._cursor: Final = sqlite3.Cursor(raw)
        # A commit syncs the log itself, once it has let go of the write lock.
        self._cursor.execute("PRAGMA synchronous=NORMAL")
        # Checkpoints are the core's: before 3.51.3 two at once could lose a commit.
        self._cursor.execute("PRAGMA wal_autocheckpoint=0")
        raw.guard()
        self._path: Final = path
        self._log: int | None = None
        self._rules: Final = raw.rules
        super().__init__(raw)

    def open(self) -> None:
        """The user may use it, as sqlite3 gives it."""
        self.raw.row_factory = None
        self.raw.text_factory = str
        self._rules.open = True

    def shut(self) -> None:
        """The user may not use it any more, nor what it has begun to read."""
        self._rules.open = False
        self.raw.let_go()

    def _run(self, sql: str, values: Sequence[Value]) -> sqlite3.Cursor:
        self._rules.ours = True
        try:
            return self._cursor.execute(sql, values)
        finally:
            self._rules.ours = False

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement."""
        return self._run(sql, values).fetchall()

    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """Runs an INSERT of one row; whether there is one more now."""
        return self._run(sql, values).rowcount == 1

    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self.raw.in_transaction)

    def join(self) -> None:
        """Nothing: it is joined inside of a block only, where a transaction is open."""

    def begin(self) -> None:
        """Takes the write lock; raises DatabaseBusy if it can't be had in half a minute."""
        pause, longest = _PAUSES
        end: float | None = None
        while True:
            try:
                self._run(_BEGIN, ())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return
            now = time.monotonic()
            if end is None:
                end = now + LONGEST_WAIT
            elif now > end:
                raise DatabaseBusy(
                    f"the write lock of the file could not be had in {LONGEST_WAIT:g} s: another connection holds "
                    f"a transaction open"
                )
            time.sleep(pause * random.random())
            pause = min(pause * 1.5, longest)

    def commit(self) -> None:
        """Commits, and returns once that survives a power cut. Raises OSError where it is committed and may not."""
        self._run(_COMMIT, ())
        if self._log is None:
            # It is there: this connection is open on it, and who closes the file last removes it.
            self._log = os.open(f"{self._path}-wal", os.O_RDWR | os.O_CLOEXEC)
        os.fdatasync(self._log)

    def rollback(self) -> None:
        """Rolls back what is open."""
        self.raw.let_go()
        if self.in_transaction():
            self._run(_ROLLBACK, ())

    def code_of(self, error: Exception) -> int | None:
        """SQLite's extended result code."""
        return getattr(error, "sqlite_errorcode", None)


# By thread, and never dropped: in a forked copy of this process Python clears what other threads had, and closing a
# copied connection would write into memory that it shares with its parent.
_OPENED: Final[dict[tuple[str, int], OwnHost]] = {}


def own_host(path: str) -> OwnHost:
    """This thread's connection to the file."""
    key = (path, threading.get_ident())
    host = _OPENED.get(key)
    if host is None:
        host = _OPENED[key] = OwnHost(path)
    return host
