"""A connection that can't share a transaction with the queue is refused, and nothing goes anywhere else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from foreign.libraries import Hand, Scenario, django_on

from pyqueue import PyQueue
from pyqueue.exceptions import CannotJoin, DatabaseBusy, DiskFull

Within = Callable[[Scenario[Any]], Any]


@pytest.fixture(autouse=True)
def _nothing_stored(shop: PyQueue, db: Path) -> Iterator[None]:
    yield
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM pyqueue_inbox").fetchone() == (0,)
    assert shop.store.jobs() == []


def refused(shop: PyQueue, connection: Any, match: str) -> None:
    with pytest.raises(CannotJoin, match=match):
        shop.tasks["add"].using(connection).delay(1)


def test_a_database_in_memory(shop: PyQueue) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        refused(shop, connection, "in memory")
    with closing(apsw.Connection("")) as connection:
        refused(shop, connection, "in memory")


def test_another_file(shop: PyQueue, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t(a)")
        refused(shop, connection, "no commit covers both")


def test_another_queue_is_another_file(shop: PyQueue, tmp_path: Path) -> None:
    other = PyQueue(tmp_path / "other.db")
    other.store.queues()
    with closing(sqlite3.connect(other.path)) as connection:
        refused(shop, connection, "no commit covers both")
        assert connection.execute("SELECT count(*) FROM pyqueue_inbox").fetchone() == (0,)


def test_an_attached_file(shop: PyQueue, db: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("ATTACH ? AS queue", (str(db),))
        refused(shop, connection, "only attached .* as 'queue'")


def test_a_link_to_the_file_is_the_file(shop: PyQueue, db: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(db)
    with closing(sqlite3.connect(link)) as connection:
        sent = shop.tasks["add"].using(connection).delay(1)
        assert shop.store.view(sent.id).state == "unknown"
        connection.rollback()


def test_a_connection_that_may_only_read(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        refused(shop, connection, "may only read")
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA query_only = 1")
        refused(shop, connection, "may only read")


def test_a_transaction_that_has_read_an_older_state(shop: PyQueue, db: Path, within: Within) -> None:
    def scenario(hand: Hand) -> None:
        hand.execute("SELECT 1")
        # The drivers begin with the first write, unless they are told to.
        if not in_transaction(hand):
            hand.execute("BEGIN")
        hand.execute("SELECT * FROM sale")
        with closing(sqlite3.connect(db)) as other, other:
            other.execute("INSERT INTO sale VALUES(1)")
        refused(shop, hand.connection, "begin it with BEGIN IMMEDIATE .*(IMMEDIATE)")
        hand.execute("ROLLBACK")

    within(scenario)


def in_transaction(hand: Hand) -> bool:
    connection = hand.connection
    if hasattr(connection, "get_autocommit"):
        return not connection.get_autocommit()
    return bool(getattr(connection, "in_transaction", False) is True)


def test_a_transaction_that_has_read_while_another_writes(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as other, closing(sqlite3.connect(db)) as connection:
        other.execute("INSERT INTO sale VALUES(1)")
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM sale").fetchall()
        refused(shop, connection, "another connection has written since or writes now")
        other.rollback()


def test_a_busy_file_is_no_wrong_connection(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as other, closing(sqlite3.connect(db, timeout=0)) as connection:
        other.execute("INSERT INTO sale VALUES(1)")
        with pytest.raises(DatabaseBusy, match="nothing was stored"):
            shop.tasks["add"].using(connection).delay(1)
        other.rollback()


def test_a_full_file(shop: PyQueue, db: Path, within: Within) -> None:
    add = shop.tasks["add"]

    def scenario(hand: Hand) -> None:
        hand.begin()
        ((pages,),) = hand.execute("PRAGMA page_count")
        hand.execute(f"PRAGMA max_page_count = {pages}")
        hand.execute("INSERT INTO sale VALUES(1)")
        batch = [add.s(n).set(headers={"x": "y" * 1_000}) for n in range(100)]
        with shop.using(hand.connection), pytest.raises(DiskFull, match="no room for a job"):
            shop.enqueue_many(batch)
        hand.rollback()

    within(scenario)


def test_a_file_without_a_queue(tmp_path: Path, shop: PyQueue) -> None:
    app = PyQueue(tmp_path / "new.db", embed=True)
    with closing(sqlite3.connect(app.path)) as connection:
        connection.execute("CREATE TABLE t(a)")
        with pytest.raises(CannotJoin, match="holds no queue yet"), app.using(connection):
            app.send_task("add")


def test_another_thread(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        errors: list[Exception] = []

        def send() -> None:
            try:
                shop.tasks["add"].using(connection).delay(1)
            except CannotJoin as error:
                errors.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join()
        assert "thread" in str(errors[0])


def test_a_closed_connection(shop: PyQueue, db: Path) -> None:
    for connection in (sqlite3.connect(db), apsw.Connection(str(db))):
        connection.close()
        refused(shop, connection, "closed")


def test_what_is_no_connection(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        refused(shop, connection.cursor(), "Cursor is no connection; pass the connection itself")
    refused(shop, None, "takes those of sqlite3, apsw, SQLAlchemy and Django")


def test_what_makes_connections_is_none(shop: PyQueue, db: Path) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    engine = create_engine(f"sqlite:///{db}")
    refused(shop, engine, "with engine.begin")
    refused(shop, sessionmaker(engine), "with engine.begin")
    engine.dispose()


def test_an_asynchronous_session_shows_the_line_to_write(shop: PyQueue, db: Path) -> None:
    import aiosqlite
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def run() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{db}")
        async with AsyncSession(engine) as session:
            line = r"await session.run_sync\(lambda s: add.using\(s\).delay\(2, 3\)\)"
            refused(shop, session, line)
            with pytest.raises(CannotJoin, match=line), shop.using(session):
                shop.send_task("add")
        async with engine.connect() as connection:
            refused(shop, connection, line)
        refused(shop, engine.connect(), "not open yet")
        await engine.dispose()
        async with aiosqlite.connect(db) as bare:
            refused(shop, bare, "AsyncSession")

    asyncio.run(run())


def test_an_alias_that_django_does_not_have(shop: PyQueue, db: Path) -> None:
    connections = django_on(db)
    refused(shop, "other", "DATABASES has no 'other'; its aliases are default")
    connections["default"].close()


def test_an_alias_of_another_file(shop: PyQueue, tmp_path: Path) -> None:
    connections = django_on(tmp_path / "other.db")
    refused(shop, "default", "no commit covers both")
    connections["default"].close()
    connections = django_on(Path(":memory:"))
    refused(shop, "default", "in memory")
    # Django's own close() keeps such a database.
    connections["default"].connection.close()


def test_another_kind_of_database(shop: PyQueue) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    engine = create_engine("sqlite://")
    engine.dialect.name = "postgresql"
    with engine.connect() as connection:
        refused(shop, connection, "connection is to postgresql, .* no commit covers both")
    engine.dispose()
    with Session() as session:
        refused(shop, session, r"bind_arguments=\{'mapper'")


@pytest.mark.parametrize("name", ["temp", "extra"])
def test_a_table_of_that_name_elsewhere_is_not_written(
    shop: PyQueue, db: Path, tmp_path: Path, name: str
) -> None:
    with closing(sqlite3.connect(db)) as connection:
        if name == "extra":
            connection.execute("ATTACH ? AS extra", (str(tmp_path / "extra.db"),))
        (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name='pyqueue_inbox'").fetchone()
        connection.execute(sql.replace("TABLE ", f"TABLE {name}.", 1))
        shop.tasks["add"].using(connection).delay(1)
        assert connection.execute(f"SELECT count(*) FROM {name}.pyqueue_inbox").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM main.pyqueue_inbox").fetchone() == (1,)
        connection.rollback()
