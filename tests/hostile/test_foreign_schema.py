"""What another program added to our tables, or put in their place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from bad_input.judging import contents, said

from pyqueue import PyQueue
from pyqueue._core import Outcome
from pyqueue.exceptions import FileRefused, QueueError

NEVER_ENDS = (
    "INSERT INTO pyqueue_progress SELECT x, x, 'x', x'' FROM "
    "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)"
)
TRIGGERS = [
    "CREATE TRIGGER spy AFTER INSERT ON pyqueue_job BEGIN INSERT INTO pyqueue_queue(name) VALUES(new.task); END",
    "CREATE TRIGGER pyqueue_x AFTER INSERT ON pyqueue_history BEGIN DELETE FROM pyqueue_job; END",
    f"CREATE TRIGGER slow BEFORE DELETE ON pyqueue_lease BEGIN {NEVER_ENDS}; END",
    "CREATE TRIGGER no BEFORE UPDATE ON pyqueue_head BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    "CREATE TRIGGER silent BEFORE INSERT ON pyqueue_inbox BEGIN SELECT RAISE(IGNORE); END",
]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    app = PyQueue(tmp_path / "jobs.db")
    app.send_task("t")
    app.store.close()
    return tmp_path / "jobs.db"


def change(db: Path, *statements: str) -> None:
    with closing(sqlite3.connect(db)) as connection, connection:
        for each in statements:
            connection.execute(each)


def everything(db: Path) -> None:
    """A job goes its whole way."""
    app = PyQueue(db)
    app.send_task("t")
    worker = app.store.join("test", 1, 30_000_000)
    app.store.finish([(job, Outcome.success()) for job in app.store.claim(worker, 10)])
    app.store.queues()
    app.store.close()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_trigger_on_our_tables_is_refused_unchanged(db: Path, trigger: str) -> None:
    change(db, trigger)
    before = contents(db.parent)
    with pytest.raises(FileRefused) as caught:
        everything(db)
    said(caught.value, happened="the trigger .* on a table of the queue is not pyqueue's", do="drop it")
    assert contents(db.parent) == before
    change(db, f"DROP TRIGGER {trigger.split()[2]}")
    everything(db)


def test_a_newer_pyqueues_trigger_is_its_own(db: Path) -> None:
    newer = "UPDATE pyqueue_meta SET value = 99 WHERE name = 'schema_version'"
    change(db, newer, "CREATE TRIGGER pyqueue_new AFTER INSERT ON pyqueue_job BEGIN SELECT 1; END")
    everything(db)
    change(db, TRIGGERS[0])
    with pytest.raises(FileRefused, match=r"the trigger .*spy"):
        everything(db)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE INDEX own ON pyqueue_history(task)"],
        ["CREATE INDEX own ON pyqueue_job(length(payload))"],
        ["CREATE VIEW own AS SELECT * FROM pyqueue_job"],
        ["CREATE TABLE own(x)", "CREATE TRIGGER mine AFTER INSERT ON own BEGIN INSERT INTO pyqueue_inbox(task, body) VALUES('t', x''); END"],
        ["ALTER TABLE pyqueue_history ADD COLUMN own TEXT"],
        ["UPDATE pyqueue_meta SET value = 99 WHERE name = 'schema_version'"],
    ],
    ids=lambda statements: statements[0][:30],
)  # fmt: skip
def test_what_reads_only_is_let_be(db: Path, statements: list[str]) -> None:
    change(db, *statements)
    everything(db)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE UNIQUE INDEX own ON pyqueue_job(task)"],
        [
            "DELETE FROM pyqueue_job",
            "CREATE INDEX own ON pyqueue_job(abs(-9223372036854775807 - nonce * 0 - 1))",
        ],
        ["DROP TABLE pyqueue_job"],
        ["DROP TABLE pyqueue_job", "CREATE VIEW pyqueue_job AS SELECT 1 AS id"],
        ["DROP TABLE pyqueue_head", "CREATE TABLE pyqueue_head(band, pos)"],
        ["DROP TABLE pyqueue_history", "CREATE VIRTUAL TABLE pyqueue_history USING fts4(job, nonce)"],
        ["ALTER TABLE pyqueue_job RENAME COLUMN payload TO other"],
        ["DELETE FROM pyqueue_meta"],
        ["DELETE FROM pyqueue_meta WHERE name = 'file_id'"],
        ["DELETE FROM pyqueue_meta WHERE name = 'schema_version'"],
        ["UPDATE pyqueue_meta SET value = 'x' WHERE name = 'schema_version'"],
        ["UPDATE pyqueue_meta SET value = -1 WHERE name = 'schema_version'"],
        ["UPDATE pyqueue_meta SET value = 9223372036854775807 WHERE name = 'oldest_compatible'"],
        ["DROP TABLE pyqueue_meta"],
        [
            "DROP TABLE pyqueue_meta",
            "CREATE VIEW pyqueue_meta AS SELECT 'schema_version' AS name, 1 AS value",
        ],
        ["DROP TABLE pyqueue_meta", "CREATE TABLE pyqueue_meta(one, two)"],
    ],
    ids=lambda statements: statements[-1][:60],
)
def test_tables_that_are_not_as_we_made_them_are_an_error_of_ours(db: Path, statements: list[str]) -> None:
    change(db, *statements)
    with pytest.raises(QueueError):
        everything(db)


def refused_unchanged(db: Path, act: Callable[[], object]) -> None:
    before = contents(db.parent)
    with pytest.raises(FileRefused):
        act()
    assert contents(db.parent) == before


def test_without_its_record_a_file_is_refused_unchanged_even_where_it_may_be_shared(db: Path) -> None:
    change(db, "DELETE FROM pyqueue_meta WHERE name <> 'oldest_compatible'")
    refused_unchanged(db, lambda: everything(db))
    refused_unchanged(db, PyQueue(db, embed=True).store.queues)


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE pyqueue_job RENAME COLUMN enqueued TO other"],
        ["DROP VIEW pyqueue_jobs_v1", "ALTER TABLE pyqueue_inbox DROP COLUMN content_type"],
        ["DROP TABLE pyqueue_side"],
        ["DROP TABLE pyqueue_head", "CREATE TABLE pyqueue_head(band, pos)"],
        ["DROP TABLE pyqueue_job", "CREATE VIEW pyqueue_job AS SELECT 1 AS id"],
        ["DROP TABLE pyqueue_history", "CREATE VIRTUAL TABLE pyqueue_history USING fts4(job, nonce)"],
    ],
    ids=lambda statements: statements[-1][:60],
)
def test_without_a_column_of_ours_a_file_is_refused_unchanged(db: Path, statements: list[str]) -> None:
    change(db, *statements)
    before = contents(db.parent)
    with pytest.raises(FileRefused) as caught:
        everything(db)
    said(caught.value, happened="its column .* is missing or not as pyqueue made it", do="restore a backup")
    assert contents(db.parent) == before
