"""For whom and how long ``app.using(connection)`` holds."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import CannotJoin


@pytest.fixture
def connection(db: Path, shop: PyQueue) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(db)) as connection:
        yield connection


def stored(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM pyqueue_inbox").fetchone()[0])


def test_it_ends_with_the_block_also_by_an_error(shop: PyQueue, connection: sqlite3.Connection) -> None:
    add = shop.tasks["add"]
    with suppress(KeyError), shop.using(connection):
        add.delay(1)
        raise KeyError
    connection.rollback()
    assert add.delay(2).state == "PENDING"


def test_the_innermost_counts(shop: PyQueue, db: Path, connection: sqlite3.Connection) -> None:
    add = shop.tasks["add"]
    with closing(sqlite3.connect(db)) as other:
        with shop.using(connection):
            with shop.using(other):
                inner = add.delay(1)
            other.commit()
            outer = add.delay(2)
        assert (inner.state, outer.state) == ("PENDING", "UNKNOWN")


def test_another_app_is_not_meant(shop: PyQueue, connection: sqlite3.Connection, tmp_path: Path) -> None:
    other = PyQueue(tmp_path / "other.db")
    with shop.using(connection), other.using(connection):
        shop.tasks["add"].delay(1)
        with pytest.raises(CannotJoin):
            other.send_task("add")
    with shop.using(connection):
        assert other.send_task("add").state == "PENDING"
    assert stored(connection) == 1


def test_another_thread_is_not_meant(shop: PyQueue, connection: sqlite3.Connection) -> None:
    states: list[str] = []
    with shop.using(connection):
        thread = threading.Thread(target=lambda: states.append(shop.tasks["add"].delay(1).state))
        thread.start()
        thread.join()
    assert states == ["PENDING"]


def test_a_coroutine_started_in_a_block_does_not_stay_in_it(
    shop: PyQueue, connection: sqlite3.Connection
) -> None:
    async def send(over: asyncio.Event) -> str:
        await over.wait()
        return shop.tasks["add"].delay(1).state

    async def run() -> str:
        over = asyncio.Event()
        with shop.using(connection):
            task = asyncio.create_task(send(over))
        over.set()
        return await task

    assert asyncio.run(run()) == "PENDING"


def test_a_block_around_an_asynchronous_session(shop: PyQueue, db: Path) -> None:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def run() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{db}")
        async with AsyncSession(engine) as session:
            with shop.using(session):
                sent = await session.run_sync(lambda _: shop.tasks["add"].delay(1))
                assert sent.state == "UNKNOWN"
            await session.commit()
            assert sent.state == "PENDING"
        async with engine.begin() as connection:
            await connection.run_sync(lambda inner: shop.tasks["add"].using(inner).delay(2))
            await connection.run_sync(lambda _: shop.tasks["add"].using(connection).delay(3))
        await engine.dispose()

    asyncio.run(run())
    with closing(sqlite3.connect(db)) as connection:
        assert stored(connection) == 3


def test_a_block_is_entered_once(shop: PyQueue, connection: sqlite3.Connection) -> None:
    block = shop.using(connection)
    with block, pytest.raises(RuntimeError, match="entered once"), block:
        pass
    with pytest.raises(RuntimeError, match="entered once"), block:
        pass


def test_jobs_run_in_place_where_the_app_is_tested(shop: PyQueue, connection: sqlite3.Connection) -> None:
    with shop.testing():
        assert shop.tasks["add"].using(connection).delay(2, 3).get() == 5
    assert stored(connection) == 0


def test_an_import_of_the_library_loads_no_library(shop: PyQueue, connection: sqlite3.Connection) -> None:
    import subprocess
    import sys

    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, sqlite3, pyqueue; early = set(sys.modules); "
            "app = pyqueue.PyQueue(sys.argv[1], embed=True); "
            "app.using(sqlite3.connect(sys.argv[1])).__enter__(); app.send_task('add'); "
            "print(any(name.startswith('pyqueue.foreign') for name in early), "
            "{'sqlalchemy', 'django', 'apsw'} & set(sys.modules))",
            shop.path,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "False set()"
