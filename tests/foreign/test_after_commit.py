"""Jobs made after a commit, and not as part of it: none is made for what was rolled back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from foreign.libraries import django_on
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from pyqueue import PyQueue
from pyqueue.exceptions import CannotJoin, EncodeError


def made(app: PyQueue) -> list[int]:
    """The ids of the jobs there are."""
    return sorted(int(job.id) for job in app.store.jobs())


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session of a database that the queue has nothing to do with."""
    engine = create_engine(
        f"sqlite:///{tmp_path / 'other.db'}", connect_args={"isolation_level": "IMMEDIATE"}
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t(a)"))
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def django(tmp_path: Path) -> Iterator[Any]:
    """``django.db.transaction``, with "default" on a file that the queue has nothing to do with."""
    connections = django_on(tmp_path / "other.db")
    from django.db import transaction

    yield transaction
    connections["default"].close()


def send(app: PyQueue, where: Any, n: int) -> None:
    app.tasks["add"].on_commit(where).apply_async((n,), task_id=str(n))


def test_a_session_sends_once_it_is_committed(shop: PyQueue, session: Session) -> None:
    shop.tasks["add"].on_commit(session).delay(2, 3)
    session.execute(text("INSERT INTO t VALUES(1)"))
    assert shop.store.jobs() == []
    session.commit()
    assert len(shop.store.jobs()) == 1
    session.execute(text("INSERT INTO t VALUES(1)"))
    session.commit()
    assert len(shop.store.jobs()) == 1


def test_a_session_that_is_rolled_back_sends_nothing_later_either(shop: PyQueue, session: Session) -> None:
    send(shop, session, 1)
    session.rollback()
    send(shop, session, 2)
    session.commit()
    send(shop, session, 3)
    session.close()
    send(shop, session, 4)
    session.commit()
    assert made(shop) == [2, 4]


def test_savepoints_of_a_session(shop: PyQueue, session: Session) -> None:
    session.execute(text("INSERT INTO t VALUES(1)"))
    send(shop, session, 1)
    with session.begin_nested():
        send(shop, session, 2)
        inner = session.begin_nested()
        send(shop, session, 3)
        inner.rollback()
    outer = session.begin_nested()
    with session.begin_nested():
        send(shop, session, 4)
    outer.rollback()
    assert made(shop) == []
    session.commit()
    assert made(shop) == [1, 2]


def test_an_asynchronous_session(shop: PyQueue, tmp_path: Path) -> None:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    async def run() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
        async with AsyncSession(engine) as session:
            send(shop, session, 1)
            await session.rollback()
            send(shop, session, 2)
            assert made(shop) == []
            await session.commit()
        await engine.dispose()

    asyncio.run(run())
    assert made(shop) == [2]


def test_django_sends_once_it_is_committed(shop: PyQueue, django: Any) -> None:
    add = shop.tasks["add"]
    with django.atomic():
        add.delay_on_commit(2, 3)
        add.apply_async_on_commit((2, 3), priority=5)
        send(shop, "default", 1)
        assert shop.store.jobs() == []
    assert sorted(job.priority for job in shop.store.jobs()) == [0, 0, 5]
    add.delay_on_commit(1)
    assert len(shop.store.jobs()) == 4


def test_django_sends_nothing_of_a_rollback(shop: PyQueue, django: Any) -> None:
    with django.atomic():
        send(shop, "default", 1)
        with django.atomic():
            send(shop, django.get_connection("default"), 2)
            django.set_rollback(True)
    with django.atomic():
        send(shop, "default", 3)
        django.set_rollback(True)
    assert made(shop) == [1]


def test_what_can_not_be_called_is_told_of_before_the_commit(shop: PyQueue, session: Session) -> None:
    on_commit = shop.tasks["add"].on_commit(session)
    with pytest.raises(TypeError, match="keyword"):
        on_commit.delay(wrong=1)
    session.commit()
    assert shop.store.jobs() == []


def test_an_error_after_the_commit_is_not_hidden(shop: PyQueue, session: Session) -> None:
    add = shop.tasks["add"]
    add.on_commit(session).delay(object())
    send(shop, session, 2)
    session.execute(text("INSERT INTO t VALUES(1)"))
    with pytest.raises(EncodeError):
        session.commit()
    session.close()
    assert made(shop) == [2]
    assert session.scalars(text("SELECT a FROM t")).all() == [1]


def test_who_does_not_tell_of_a_commit_is_refused(shop: PyQueue, session: Session) -> None:
    import sqlite3

    add = shop.tasks["add"]
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(CannotJoin, match="does not say when it has been committed"),
    ):
        add.on_commit(connection)
    with pytest.raises(CannotJoin, match="a Session does"):
        add.on_commit(session.connection())
