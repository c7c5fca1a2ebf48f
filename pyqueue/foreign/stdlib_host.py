"""``sqlite3`` of the standard library, in every isolation mode."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from pyqueue.foreign.host import TAKE_LOCK, Host, Value, as_text

_MISUSE = 21


class StdlibHost(Host):
    """A ``sqlite3.Connection``."""

    client = "sqlite3"
    immediate = 'sqlite3.connect(path, isolation_level="IMMEDIATE")'

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement; its rows."""
        # Unlike ``connection.cursor()``, it has no row_factory.
        return sqlite3.Cursor(self.raw).execute(sql, values).fetchall()

    def file(self) -> str | None:
        """The path of "main", which is listed first."""
        return as_text(self.execute("PRAGMA database_list")[0][2]) or None

    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """Runs an INSERT; whether there is one row more."""
        return sqlite3.Cursor(self.raw).execute(sql, values).rowcount == 1

    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self.raw.in_transaction)

    def join(self) -> None:
        """Opens what the module would open before an INSERT."""
        statement = implicit_begin(self.raw)
        if statement is not None and not self.raw.in_transaction:
            self.execute(statement)

    def begin(self) -> None:
        """BEGIN IMMEDIATE; with ``autocommit=False`` there always is a transaction, which takes the lock."""
        self.execute(TAKE_LOCK if self.raw.in_transaction else "BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commits, also with ``autocommit=True``, where the method of that name does nothing."""
        if getattr(self.raw, "autocommit", None) is True:
            self.execute("COMMIT")
        else:
            self.raw.commit()

    def rollback(self) -> None:
        """Rolls back, as ``commit`` commits."""
        if getattr(self.raw, "autocommit", None) is True:
            self.execute("ROLLBACK")
        else:
            self.raw.rollback()

    def code_of(self, error: Exception) -> int | None:
        """SQLite's code."""
        return code_of(error)


def implicit_begin(connection: Any) -> str | None:
    """What the module executes before a statement that writes; None if it leaves that to the user.

    ``autocommit`` (from Python 3.12 on) is True, False, or a number that says: go by ``isolation_level``.
    """
    if getattr(connection, "autocommit", -1) is True or connection.isolation_level is None:
        return None
    return f"BEGIN {connection.isolation_level}"


def code_of(error: object) -> int | None:
    """SQLite's code of an error of ``sqlite3``; "misuse" where the module itself refused."""
    if not isinstance(error, sqlite3.Error):
        return None
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return _MISUSE if code is None and isinstance(error, sqlite3.ProgrammingError) else code
