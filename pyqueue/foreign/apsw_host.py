"""``apsw``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from pyqueue.foreign.host import TAKE_LOCK, Host, Value

_MISUSE = 21


class ApswHost(Host):
    """An ``apsw.Connection``: a transaction is open only where its user has begun one."""

    client = "apsw"
    immediate = 'connection.transaction_mode = "IMMEDIATE"'

    def file(self) -> str | None:
        """The path of "main"."""
        return str(self.raw.db_filename("main")) or None

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement; its rows."""
        return self._run(sql, values).fetchall()

    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """Runs an INSERT; whether there is one row more."""
        self._run(sql, values)
        return bool(self.raw.changes() == 1)

    def _run(self, sql: str, values: Sequence[Value]) -> apsw.Cursor:
        # Not the connection's cursor_factory, and not its row_trace.
        cursor = apsw.Cursor(self.raw)
        cursor.row_trace = _plain
        cursor.execute(sql, values)
        return cursor

    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return not self.raw.get_autocommit()

    def join(self) -> None:
        """Nothing: apsw begins no transaction by itself."""

    def begin(self) -> None:
        """BEGIN IMMEDIATE."""
        self.execute(TAKE_LOCK if self.in_transaction() else "BEGIN IMMEDIATE")

    def commit(self) -> None:
        """COMMIT."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """ROLLBACK."""
        self.execute("ROLLBACK")

    def code_of(self, error: Exception) -> int | None:
        """SQLite's code."""
        if isinstance(error, apsw.ConnectionClosedError | apsw.ThreadingViolationError):
            return _MISUSE
        return getattr(error, "extendedresult", None) if isinstance(error, apsw.Error) else None


def _plain(_cursor: apsw.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row
