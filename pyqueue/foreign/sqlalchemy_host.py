"""SQLAlchemy 2: Connection and Session, and the asynchronous ones from within ``run_sync``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, MissingGreenlet, UnboundExecutionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.util.concurrency import in_greenlet

from pyqueue.exceptions import CannotJoin
from pyqueue.foreign.host import TAKE_LOCK, Host, Value
from pyqueue.foreign.stdlib_host import StdlibHost, code_of, implicit_begin


class SqlalchemyHost(Host):
    """A connection or session of SQLAlchemy over a driver of SQLite. Joining it begins its transaction."""

    client = "SQLAlchemy"
    immediate = 'create_engine(url, connect_args={"isolation_level": "IMMEDIATE"})'

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self._asynchronous = isinstance(raw, AsyncConnection | AsyncSession | async_scoped_session)

    @property
    def _owner(self) -> Connection | Session:
        return _synchronous(self.raw)

    def _connection(self) -> Connection:
        owner = self._owner
        if self._asynchronous and not in_greenlet():
            raise _awaited()
        if isinstance(owner, Connection):
            connection = owner
            if not connection.in_transaction():
                connection.begin()
        else:
            try:
                connection = owner.connection()
            except UnboundExecutionError:
                raise CannotJoin(
                    "this session has several engines and can't say which one is meant; "
                    "use using(session.connection(bind_arguments={'mapper': YourClass}))"
                ) from None
        if connection.dialect.name != "sqlite":
            raise CannotJoin(
                f"this connection is to {connection.dialect.name}, and the queue is a SQLite file: no commit covers both; "
                f"see on_commit() and prepare()"
            )
        return connection

    def _run(self, sql: str, values: Sequence[Value]) -> list[tuple[Any, ...]]:
        try:
            result = self._connection().exec_driver_sql(sql, tuple(values) or None)
        except MissingGreenlet:
            raise _awaited() from None
        return [tuple(row) for row in result] if result.returns_rows else []

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement; its rows."""
        return self._run(sql, values)

    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """Runs an INSERT; whether there is one row more."""
        self._run(sql, values)
        return self._run("SELECT changes()", ()) == [(1,)]

    def files(self) -> dict[str, str]:
        """As the driver itself knows it, where it can be asked here: a tenth of the time."""
        driver = self._driver
        return StdlibHost(driver).files() if isinstance(driver, sqlite3.Connection) else super().files()

    @property
    def _driver(self) -> Any:
        """``sqlite3``'s connection, or aiosqlite's, which tells the same of itself."""
        return self._connection().connection.driver_connection

    def in_transaction(self) -> bool:
        """Whether a transaction is open in SQLite: SQLAlchemy's may not have come to it yet."""
        return bool(self._driver.in_transaction)

    def join(self) -> None:
        """Opens what the driver would open before an INSERT."""
        driver = self._driver
        statement = None if driver.in_transaction else implicit_begin(driver)
        if statement is not None:
            self._run(statement, ())

    def begin(self) -> None:
        """Begins SQLAlchemy's transaction and takes the write lock."""
        self._run(TAKE_LOCK if self.in_transaction() else "BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        """Commits the session or connection."""
        self._owner.commit()

    def rollback(self) -> None:
        """Rolls the session or connection back."""
        self._owner.rollback()

    def code_of(self, error: Exception) -> int | None:
        """SQLite's code of the driver's error."""
        return code_of(error.orig) if isinstance(error, DBAPIError) else None


def _synchronous(raw: Any) -> Connection | Session:
    """What ``raw`` stands for, without its asynchronous or thread-local coat."""
    if isinstance(raw, scoped_session | async_scoped_session):
        raw = raw()
    if isinstance(raw, AsyncSession):
        raw = raw.sync_session
    if isinstance(raw, AsyncConnection):
        if raw.sync_connection is None:
            raise CannotJoin(
                "this AsyncConnection is not open yet; use it inside of  async with engine.begin()"
            )
        raw = raw.sync_connection
    if isinstance(raw, Connection | Session):
        return raw
    raise CannotJoin(
        f"{type(raw).__name__} is no connection but a maker of them; "
        f"open one, such as  with engine.begin() as connection:  and use that"
    )


def _awaited() -> CannotJoin:
    return CannotJoin(
        "an asynchronous session can't be used without awaiting it; "
        "write  await session.run_sync(lambda s: add.using(s).delay(2, 3))"
    )
