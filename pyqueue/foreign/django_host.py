"""Django: the connection of an alias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections, transaction
from django.db.utils import ConnectionDoesNotExist
from django.db.utils import Error as DatabaseError

from pyqueue.exceptions import CannotJoin
from pyqueue.foreign.host import TAKE_LOCK, Host, Value
from pyqueue.foreign.stdlib_host import StdlibHost, code_of, implicit_begin


class DjangoHost(Host):
    """An alias of ``DATABASES`` over SQLite, as this thread has it."""

    client = "Django"
    immediate = 'DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}'

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self._atomic: Any = None

    @property
    def _connection(self) -> Any:
        """The wrapper: an alias has another one in each thread."""
        if not isinstance(self.raw, str):
            return self.raw
        try:
            return connections[self.raw]
        except ConnectionDoesNotExist:
            raise CannotJoin(
                f"DATABASES has no {self.raw!r}; its aliases are {', '.join(connections)}"
            ) from None

    @property
    def _driver(self) -> Any:
        connection = self._connection
        if connection.vendor != "sqlite":
            raise CannotJoin(
                f"{connection.alias!r} is {connection.display_name}, and the queue is a SQLite file: no commit covers both; "
                f"see delay_on_commit() and prepare()"
            )
        connection.ensure_connection()
        return connection.connection

    def files(self) -> dict[str, str]:
        """As the driver itself knows it: a tenth of the time."""
        return StdlibHost(self._driver).files()

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement; its rows."""
        with self._connection.cursor() as cursor:
            _run(cursor, sql, values)
            return list(cursor.fetchall()) if cursor.description else []

    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """Runs an INSERT; whether there is one row more."""
        with self._connection.cursor() as cursor:
            _run(cursor, sql, values)
            return bool(cursor.rowcount == 1)

    def in_transaction(self) -> bool:
        """Whether a transaction is open in SQLite."""
        return bool(self._driver.in_transaction)

    def join(self) -> None:
        """Opens what the driver would open before an INSERT: something only after ``set_autocommit(False)``."""
        statement = None if self.in_transaction() else implicit_begin(self._driver)
        if statement is not None:
            self.execute(statement)

    def begin(self) -> None:
        """Enters ``atomic()``, so that the ORM knows of the transaction, and takes the write lock."""
        self._atomic = transaction.atomic(using=self._connection.alias)
        self._atomic.__enter__()
        try:
            self.execute(TAKE_LOCK)
        except BaseException:
            self.rollback()
            raise

    def commit(self) -> None:
        """Leaves ``atomic()``."""
        atomic, self._atomic = self._atomic, None
        atomic.__exit__(None, None, None)

    def rollback(self) -> None:
        """Leaves ``atomic()`` as an error does."""
        atomic, self._atomic = self._atomic, None
        self._connection.set_rollback(True)
        atomic.__exit__(None, None, None)

    def code_of(self, error: Exception) -> int | None:
        """SQLite's code of the driver's error."""
        return code_of(error.__cause__) if isinstance(error, DatabaseError) else code_of(error)


def _run(cursor: Any, sql: str, values: Sequence[Value]) -> None:
    if values:
        cursor.execute(sql.replace("?", "%s"), tuple(values))
    else:
        cursor.execute(sql)
