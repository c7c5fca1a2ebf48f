"""The statement that ``pyqueue sql enqueue`` prints makes jobs, by any client."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.cli.sql import COLUMNS

USUAL: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "task": "add",
    "body": b'{"v": 1, "args": [2, 3], "kwargs": {}}',
    "queue": "default",
    "priority": 0,
    "dedup": "return",
    "max_losses": 5,
}


@pytest.fixture(scope="module")
def statement() -> str:
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", "sql", "enqueue"], capture_output=True, text=True, check=True
    ).stdout


def test_it_makes_a_job_if_its_transaction_commits(shop: PyQueue, db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("INSERT INTO sale VALUES(1)")
        connection.execute(statement, USUAL | {"id": "dropped"})
        connection.rollback()
        connection.execute("INSERT INTO sale VALUES(2)")
        connection.execute(statement, USUAL | {"id": "kept", "priority": 7})
        connection.commit()
    assert (shop.AsyncResult("dropped").state, shop.AsyncResult("kept").state) == ("UNKNOWN", "PENDING")
    (job,) = shop.store.claim(shop.store.join("test", 1, 30_000_000), 10)
    assert (job.id, job.priority, job.body) == ("kept", 7, USUAL["body"])


def test_it_is_listed_shown_and_explained_without_a_worker(shop: PyQueue, db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(statement, USUAL | {"id": "theirs"})
        connection.commit()
    for command in (["list", "--state", "waiting"], ["show", "theirs"], ["why", "theirs"]):
        said = subprocess.run(
            [sys.executable, "-m", "pyqueue", *command, "--db", db, "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert '"theirs"' in said.stdout, command
        assert "waits" in said.stdout or '"waiting"' in said.stdout


def test_a_savepoint_takes_it_along(shop: PyQueue, db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SAVEPOINT theirs")
        connection.execute(statement, USUAL | {"id": "dropped"})
        connection.execute("ROLLBACK TO theirs")
        connection.execute("COMMIT")
    assert shop.AsyncResult("dropped").state == "UNKNOWN"


def test_dedup_keys_hold(shop: PyQueue, db: Path, statement: str) -> None:
    shop.tasks["add"].apply_async((1,), dedup_key="taken")
    with closing(sqlite3.connect(db)) as connection:
        for key, rows in (("taken", 0), ("free", 1), ("free", 0)):
            cursor = connection.execute(statement, USUAL | {"id": f"{key}{rows}", "dedup_key": key})
            assert cursor.rowcount == rows
        with pytest.raises(sqlite3.IntegrityError, match="an unfinished job has this dedup key"):
            connection.execute(statement, USUAL | {"id": "x", "dedup_key": "free", "dedup": "refuse"})
        connection.commit()


def test_it_shows_every_column_that_a_client_may_write(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(pyqueue_inbox)")}
    assert columns - COLUMNS.keys() == {"seq", "errbacks"}
    assert COLUMNS.keys() <= columns


def test_defaults_are_as_they_are_said(shop: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("INSERT INTO pyqueue_inbox(task, body) VALUES('add', x'7b7d')")
        names = [name for name in COLUMNS if name not in ("id", "task", "body")]
        row = connection.execute(f"SELECT {', '.join(names)} FROM pyqueue_inbox").fetchone()
        said = [COLUMNS[name].rpartition("(")[2].rstrip(")").partition(":")[0] for name in names]
        assert ["NULL" if value is None else repr(value) for value in row] == said


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the sqlite3 program is not installed")
def test_the_sqlite3_program(shop: PyQueue, db: Path, statement: str) -> None:
    parameters = "\n".join(
        f".parameter set :{name} {'NULL' if value is None else repr(value)}"
        for name, value in (USUAL | {"id": "of a shell"}).items()
    )
    parameters = parameters.replace(f":body {USUAL['body']!r}", f":body x'{USUAL['body'].hex()}'")
    subprocess.run(["sqlite3", str(db)], input=f"{parameters}\n{statement}", text=True, check=True)
    assert len(shop.store.claim(shop.store.join("test", 1, 30_000_000), 10)) == 1
