"""One hand for every library: the same transaction of the application's, written as its users write it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

R = TypeVar("R")


class Hand:
    """What a test does with a connection. ``connection`` is what ``using`` is given."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def begin(self) -> None:
        """Most libraries begin by themselves."""

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def savepoint(self) -> Any:
        self.execute("SAVEPOINT theirs")

    def back_to(self, savepoint: Any) -> None:
        self.execute("ROLLBACK TO theirs")
        self.execute("RELEASE theirs")

    def release(self, savepoint: Any) -> None:
        self.execute("RELEASE theirs")

    def trace(self, callback: Callable[[str], None]) -> None:
        """Has the driver tell of each statement before it begins."""
        self.connection.set_trace_callback(callback)


class Stdlib(Hand):
    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def begin(self) -> None:
        if self.connection.isolation_level is None:
            self.execute("BEGIN")

    def savepoint(self) -> Any:
        # Outside of a transaction it would be one, and its release a commit.
        if not self.connection.in_transaction:
            self.execute("BEGIN")
        self.execute("SAVEPOINT theirs")


class Apsw(Stdlib):
    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self.execute("ROLLBACK")

    def savepoint(self) -> Any:
        self.execute("SAVEPOINT theirs")

    def trace(self, callback: Callable[[str], None]) -> None:
        import apsw

        self.connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda told: callback(told["sql"]))


class Alchemy(Hand):
    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        result = self.core.exec_driver_sql(sql, values or None)
        return [tuple(row) for row in result] if result.returns_rows else []

    @property
    def core(self) -> Any:
        return self.connection

    def savepoint(self) -> Any:
        # The driver begins before a statement that writes, and a savepoint is none.
        if not self.driver.in_transaction:
            self.execute("BEGIN")
        return self.connection.begin_nested()

    def back_to(self, savepoint: Any) -> None:
        savepoint.rollback()

    def release(self, savepoint: Any) -> None:
        savepoint.commit()

    @property
    def driver(self) -> Any:
        return self.core.connection.driver_connection

    def trace(self, callback: Callable[[str], None]) -> None:
        self.driver.set_trace_callback(callback)


class AlchemySession(Alchemy):
    @property
    def core(self) -> Any:
        return self.connection.connection()


class AsyncAlchemy(AlchemySession):
    def trace(self, callback: Callable[[str], None]) -> None:
        from sqlalchemy.util import await_only

        await_only(self.driver.set_trace_callback(callback))


class Django(Hand):
    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.atomic: Any = None

    def begin(self) -> None:
        from django.db import transaction

        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.wrapper.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s"), values or None)
            return list(cursor.fetchall()) if cursor.description else []

    @property
    def wrapper(self) -> Any:
        from django.db import connections

        return connections["default"]

    def commit(self) -> None:
        self.atomic.__exit__(None, None, None)

    def rollback(self) -> None:
        self.wrapper.set_rollback(True)
        self.commit()

    def savepoint(self) -> Any:
        from django.db import transaction

        inner = transaction.atomic()
        inner.__enter__()
        return inner

    def back_to(self, savepoint: Any) -> None:
        self.wrapper.set_rollback(True)
        savepoint.__exit__(None, None, None)

    def release(self, savepoint: Any) -> None:
        savepoint.__exit__(None, None, None)

    def trace(self, callback: Callable[[str], None]) -> None:
        self.wrapper.ensure_connection()
        self.wrapper.connection.set_trace_callback(callback)


Scenario = Callable[[Hand], R]


def _stdlib(level: str | None) -> Callable[[Path, Scenario[R]], R]:
    def run(path: Path, scenario: Scenario[R]) -> R:
        with closing(sqlite3.connect(path, isolation_level=level)) as connection:
            return scenario(Stdlib(connection))

    return run


def _autocommit(value: bool) -> Callable[[Path, Scenario[R]], R]:
    class Pep249(Stdlib):
        def begin(self) -> None:
            if value:
                self.execute("BEGIN")

        def commit(self) -> None:
            self.execute("COMMIT") if value else self.connection.commit()

        def rollback(self) -> None:
            self.execute("ROLLBACK") if value else self.connection.rollback()

    def run(path: Path, scenario: Scenario[R]) -> R:
        with closing(sqlite3.connect(path, autocommit=value)) as connection:
            return scenario(Pep249(connection))

    return run


def _apsw(path: Path, scenario: Scenario[R]) -> R:
    import apsw

    with closing(apsw.Connection(str(path))) as connection:
        connection.set_busy_timeout(5_000)
        return scenario(Apsw(connection))


def _core(path: Path, scenario: Scenario[R]) -> R:
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            return scenario(Alchemy(connection))
    finally:
        engine.dispose()


def _session(path: Path, scenario: Scenario[R]) -> R:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    engine = create_engine(f"sqlite:///{path}")
    try:
        with Session(engine) as session:
            return scenario(AlchemySession(session))
    finally:
        engine.dispose()


def _async_session(path: Path, scenario: Scenario[R]) -> R:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def run() -> R:
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        try:
            async with AsyncSession(engine) as session:
                return await session.run_sync(lambda inner: scenario(AsyncAlchemy(inner)))
        finally:
            await engine.dispose()

    return asyncio.run(run())


def django_on(path: Path) -> Any:
    """Django's connections, with the file as "default"."""
    import django
    from django.apps import apps
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        settings.configure(
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        )
    if not apps.ready:
        django.setup()
    connections["default"].close()
    del connections["default"]
    connections.settings["default"]["NAME"] = str(path)
    return connections


def _django(path: Path, scenario: Scenario[R]) -> R:
    connections = django_on(path)
    try:
        return scenario(Django("default"))
    finally:
        connections["default"].close()


LIBRARIES: dict[str, Callable[[Path, Scenario[Any]], Any]] = {
    "sqlite3": _stdlib(""),
    "sqlite3 deferred": _stdlib("DEFERRED"),
    "sqlite3 immediate": _stdlib("IMMEDIATE"),
    "sqlite3 exclusive": _stdlib("EXCLUSIVE"),
    "sqlite3 none": _stdlib(None),
    "apsw": _apsw,
    "sqlalchemy": _core,
    "sqlalchemy session": _session,
    "sqlalchemy async": _async_session,
    "django": _django,
}
if hasattr(sqlite3, "LEGACY_TRANSACTION_CONTROL"):
    LIBRARIES |= {"sqlite3 autocommit": _autocommit(True), "sqlite3 no autocommit": _autocommit(False)}
