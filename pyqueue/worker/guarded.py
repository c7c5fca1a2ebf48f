"""The connection that a task's own transaction runs on: SQL of any kind, but not the end of the transaction."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from typing import Any, Final, NoReturn

from pyqueue.exceptions import DiskFull, TransactionError

_WRITES: Final = frozenset(
    {
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_VTABLE,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_VTABLE,
    }
)
_OURS: Final = "pyqueue_"

FULL_DISK: Final = (
    "the disk is full, so nothing of this transaction was written and the job is not done; free some space"
)


class Rules:
    """What a connection allows at this moment."""

    __slots__ = ("open", "ours", "pid", "refused", "thread")

    def __init__(self) -> None:
        self.open = False
        """Whether a block of ``transaction()`` is open on it."""
        self.ours = False
        """Whether the statement is one of our own."""
        self.pid: Final = os.getpid()
        self.thread: Final = threading.get_ident()
        self.refused: str | None = None
        """Why the authorizer said no, for whoever meets SQLite's "not authorized"."""

    def allows(
        self, action: int, first: str | None, second: str | None, _schema: str | None, _by: str | None
    ) -> int:
        """SQLite's question when a statement is prepared."""
        if self.ours or not self.open:
            return sqlite3.SQLITE_OK
        if action in _WRITES:
            name = next((each for each in (first, second) if each and each.lower().startswith(_OURS)), None)
            if name is None or (action == sqlite3.SQLITE_INSERT and name == "pyqueue_inbox"):
                return sqlite3.SQLITE_OK
            self.refused = (
                f"{name} belongs to pyqueue, and names that begin with {_OURS} are its own: only INSERT INTO "
                f"pyqueue_inbox is for others"
            )
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_TRANSACTION:
            self.refused = _ends_by_itself(f"{first} by hand")
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_ATTACH:
            self.refused = (
                "a second file can't be attached inside of transaction(): a commit over two files in WAL mode is "
                "two commits, and a crash may leave one of them"
            )
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def refuse_unusable(self, in_transaction: bool) -> None:
        """Raises TransactionError where the connection is not the caller's to use."""
        if not self.open:
            raise TransactionError(
                "this block of transaction() is over, and its connection is closed with it"
            )
        if os.getpid() != self.pid:
            raise TransactionError(
                "this process was forked inside of transaction(), and the connection is its parent's: fork before "
                "the block, or open a connection of its own"
            )
        if threading.get_ident() != self.thread:
            raise TransactionError(
                "the connection of transaction() is used in another thread than the task's; collect there and "
                "write here"
            )
        if not in_transaction:
            raise TransactionError(
                "SQLite has rolled this transaction back after an error (such as a full disk, or ON CONFLICT "
                "ROLLBACK): let the exception out of the block, and the job is run again or fails"
            )


def _ends_by_itself(what: str) -> str:
    return (
        f"{what} can't be had inside of transaction(): leaving the block commits, together with the job, and an "
        f"exception rolls back; SAVEPOINT and ROLLBACK TO are allowed"
    )


class GuardedCursor(sqlite3.Cursor):
    """Refuses what the connection refuses, in words."""

    connection: GuardedConnection

    def execute(self, sql: str, parameters: Any = (), /) -> GuardedCursor:
        """As in sqlite3."""
        self.connection.refuse_unusable()
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error as error:
            self.connection.explain(error)
            raise

    def executemany(self, sql: str, parameters: Any, /) -> GuardedCursor:
        """As in sqlite3."""
        self.connection.refuse_unusable()
        try:
            return super().executemany(sql, parameters)
        except sqlite3.Error as error:
            self.connection.explain(error)
            raise

    def executescript(self, _script: str, /) -> NoReturn:
        """Refused: sqlite3 commits before a script."""
        raise TransactionError(_ends_by_itself("executescript(), which commits first,"))


class GuardedConnection(sqlite3.Connection):
    """A connection of sqlite3 that is in one transaction for the length of a block."""

    rules: Rules

    def guard(self) -> None:
        """From here on the rules hold."""
        self.rules = Rules()
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        super().set_authorizer(self.rules.allows)

    def refuse_unusable(self) -> None:
        """Raises TransactionError where it is not the caller's to use."""
        self.rules.refuse_unusable(self.in_transaction)

    def explain(self, error: sqlite3.Error) -> None:
        """Raises a clearer error than SQLite's, if there is one."""
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_AUTH and self.rules.refused is not None:
            raise TransactionError(self.rules.refused) from None
        if code == sqlite3.SQLITE_FULL:
            raise DiskFull(FULL_DISK) from error

    def let_go(self) -> None:
        """Ends every statement that was not read to its end: it would go on to read at this transaction's state."""
        if self._cursors:
            for each in list(self._cursors):
                each.close()

    def cursor(self, factory: Any = GuardedCursor) -> Any:
        """As in sqlite3."""
        self.refuse_unusable()
        cursor = super().cursor(factory)
        self._cursors.add(cursor)
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> GuardedCursor:
        """As in sqlite3."""
        cursor: GuardedCursor = self.cursor()
        return cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> GuardedCursor:
        """As in sqlite3."""
        cursor: GuardedCursor = self.cursor()
        return cursor.executemany(sql, parameters)

    def executescript(self, _script: str, /) -> NoReturn:
        """Refused: sqlite3 commits before a script."""
        raise TransactionError(_ends_by_itself("executescript(), which commits first,"))

    def commit(self) -> NoReturn:
        """Refused: leaving the block commits."""
        raise TransactionError(_ends_by_itself("commit()"))

    def rollback(self) -> NoReturn:
        """Refused: an exception rolls back."""
        raise TransactionError(_ends_by_itself("rollback()"))

    def close(self) -> NoReturn:
        """Refused: it is kept for the next job."""
        raise TransactionError(_ends_by_itself("close()"))

    def __enter__(self) -> NoReturn:
        raise TransactionError(_ends_by_itself("'with db:', which commits,"))

    def set_authorizer(self, _callback: Any) -> NoReturn:
        """Refused: there is one."""
        raise TransactionError("the connection of transaction() has an authorizer of its own")

    @property
    def isolation_level(self) -> None:
        """None: the transaction is begun and ended by the block."""

    @isolation_level.setter
    def isolation_level(self, _value: str | None) -> None:
        raise TransactionError(_ends_by_itself("isolation_level"))
