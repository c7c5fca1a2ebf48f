"""What its user has set on a connection neither disturbs a send nor is changed by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import DuplicateJob


def exercise(shop: PyQueue, connection: Any) -> list[str]:
    """One of each way through the code; the ids."""
    add = shop.tasks["add"]
    with shop.using(connection):
        sent = [
            add.delay(1),
            add.apply_async((2,), dedup_key="k"),
            add.apply_async((3,), task_id="own"),
            *shop.enqueue_many([add.s(4), add.s(5)]),
        ]
        assert add.apply_async((2,), dedup_key="k").id == sent[1].id
        named = add.apply_async((6,), task_id="named", dedup_key="n")
        assert add.apply_async((6,), dedup_key="n").id == named.id == "named"
    return [each.id for each in sent]


class Rows(sqlite3.Connection):
    """A connection whose cursors give what nobody expects."""

    def cursor(self, *_arguments: Any, **_named: Any) -> Any:
        raise AssertionError("nobody has to use it")


def reversed_row(_cursor: object, row: tuple[Any, ...]) -> Any:
    return dict(enumerate(reversed(row)))


@pytest.mark.parametrize("text", [bytes, str, bytearray])
@pytest.mark.parametrize("row", [None, sqlite3.Row, reversed_row])
@pytest.mark.parametrize("cls", [sqlite3.Connection, Rows])
def test_the_factories_of_sqlite3(
    shop: PyQueue, db: Path, text: Any, row: Any, cls: type[sqlite3.Connection]
) -> None:
    types = sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES
    with closing(sqlite3.connect(db, factory=cls, detect_types=types)) as connection:
        connection.row_factory = row
        connection.text_factory = text
        ids = exercise(shop, connection)
        assert connection.row_factory is row
        assert connection.text_factory is text
        assert connection.isolation_level == ""
        assert connection.in_transaction
        connection.commit()
    assert {shop.store.view(id).state for id in ids} == {"waiting"}


def test_converters_of_the_columns_types(shop: PyQueue, db: Path) -> None:
    for name in ("TEXT", "INTEGER", "BLOB"):
        sqlite3.register_converter(name, lambda _value: pytest.fail("it was asked"))
    try:
        with closing(sqlite3.connect(db, detect_types=sqlite3.PARSE_DECLTYPES)) as connection:
            taken = shop.tasks["add"].apply_async((0,), dedup_key="taken", task_id="its name")
            again = shop.tasks["add"].using(connection).apply_async((0,), dedup_key="taken")
            assert again.id == taken.id
            exercise(shop, connection)
            connection.rollback()
    finally:
        for name in ("TEXT", "INTEGER", "BLOB"):
            sqlite3.converters.pop(name)


def test_the_tracers_of_apsw(shop: PyQueue, db: Path) -> None:
    with closing(apsw.Connection(str(db))) as connection:

        def tracer(_cursor: apsw.Cursor, _row: tuple[Any, ...]) -> Any:
            return "a row"

        connection.row_trace = tracer
        connection.cursor_factory = lambda _connection: pytest.fail("nobody has to use it")
        apsw.Cursor(connection).execute("BEGIN")
        ids = exercise(shop, connection)
        assert connection.row_trace is tracer
        apsw.Cursor(connection).execute("COMMIT")
    assert {shop.store.view(id).state for id in ids} == {"waiting"}


@pytest.mark.parametrize("level", ["", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"])
def test_a_transaction_is_open_afterwards_as_after_any_insert(shop: PyQueue, db: Path, level: Any) -> None:
    with closing(sqlite3.connect(db, isolation_level=level)) as connection:
        for _ in range(2):
            ids = exercise(shop, connection)
            assert connection.in_transaction
            connection.rollback()
            assert {shop.store.view(id).state for id in ids} == {"unknown"}


def test_in_autocommit_each_send_is_committed_at_once(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        ids = exercise(shop, connection)
        assert not connection.in_transaction
    assert {shop.store.view(id).state for id in ids} == {"waiting"}


def test_a_refused_batch_in_autocommit_leaves_nothing(shop: PyQueue, db: Path) -> None:
    add = shop.tasks["add"]
    for connection in (sqlite3.connect(db, isolation_level=None), apsw.Connection(str(db))):
        twice = add.s(1).set(dedup_key="twice", dedup="refuse")
        with closing(connection), shop.using(connection), pytest.raises(DuplicateJob, match="stands twice"):
            shop.enqueue_many([add.s(0), twice, twice])
    assert shop.store.queues() == []
