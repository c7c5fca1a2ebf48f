"""Rows that another program put into the inbox: whatever they hold, the others are served."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from bad_input.judging import said

from pyqueue import PyQueue

COLUMNS = ("id", "task", "body", "queue", "priority", "run_at", "expires", "dedup_key", "content_type")
ESCAPE = "'x' || char(27) || ']0;owned' || char(7) || char(10) || char(155) || '31m'"


@pytest.fixture
def db(app: PyQueue, tmp_path: Path) -> Path:
    app.store.queues()
    return tmp_path / "jobs.db"


def post(db: Path, **columns: str) -> None:
    """Writes a row by plain SQL; the values are SQL."""
    given = {"id": "'bad'", "task": "'t'", "body": "x'7b7d'"} | columns
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(
            f"INSERT INTO pyqueue_inbox({', '.join(given)}) VALUES({', '.join(given.values())})"
        )


def claimed(app: PyQueue) -> list[str]:
    jobs = app.store.claim(app.store.join("test", 1, 30_000_000), 100)
    return [job.id for job in jobs]


INVALID = "CAST(x'61ff62' AS TEXT)"
NUL = "'a' || char(0) || 'b'"
LONG = "'a' || char(0) || hex(zeroblob(100000))"


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"task": INVALID}, "task's name is not UTF-8"),
        ({"queue": INVALID}, "queue's name is not UTF-8"),
        ({"dedup_key": INVALID}, "dedup key is not UTF-8"),
        ({"content_type": INVALID}, "content type is not UTF-8"),
        ({"task": NUL}, "task's name has 1 to 255 characters and no NUL"),
        ({"queue": NUL}, "queue's name has 1 to 255 characters and no NUL"),
        ({"dedup_key": NUL}, "dedup key has 1 to 255 characters and no NUL"),
        ({"task": LONG}, "task's name has more than 255 characters"),
        ({"queue": LONG}, "queue's name has more than 255 characters"),
        ({"dedup_key": LONG}, "dedup key has 1 to 255 characters"),
        ({"body": "zeroblob(2000000)"}, "body takes 2000000 bytes, the limit is 1048576"),
    ],
)
def test_a_row_that_can_not_be_a_job_is_dead_and_says_why(
    app: PyQueue, db: Path, columns: dict[str, str], why: str
) -> None:
    post(db, **columns)
    post(db, id="'good'")
    assert claimed(app) == ["good"]
    view = app.store.view("bad")
    assert view.state == "dead"
    assert view.failure is not None
    assert why in view.failure.message
    assert app.store.queues()[0].waiting == 0


@pytest.mark.parametrize("id", [INVALID, NUL, LONG])
def test_an_id_that_can_not_be_is_replaced(app: PyQueue, db: Path, id: str) -> None:
    post(db, id=id)
    post(db, id="'good'")
    assert claimed(app) == ["good"]
    (dead,) = app.store.jobs(state="dead")
    assert app.store.view(dead.id).state == "dead"


@pytest.mark.parametrize(
    "columns",
    [
        {"priority": "128"},
        {"priority": "-129"},
        {"priority": "'high'"},
        {"run_at": "'tomorrow'"},
        {"body": "'text'"},
        {"body": "NULL"},
        {"task": "''"},
        {"task": "hex(zeroblob(128))"},
        {"id": "NULL"},
    ],
    ids=repr,
)
def test_the_file_itself_refuses_wrong_types_and_ranges(
    app: PyQueue, db: Path, columns: dict[str, str]
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        post(db, **columns)
    post(db, id="'good'")
    assert claimed(app) == ["good"]


@pytest.mark.parametrize("time", [-(2**63), -1, 0, 2**62, 2**63 - 1])
def test_times_at_the_end_of_the_numbers_block_nobody(app: PyQueue, db: Path, time: int) -> None:
    post(db, id="'later'", run_at=str(time))
    post(db, id="'expires'", expires=str(time))
    post(db, id="'good'")
    assert "good" in claimed(app)
    app.store.reap()
    assert app.store.view("later").state == ("running" if time <= 0 else "delayed")
    assert app.store.view("expires").state == ("expired" if time <= 0 else "running")
    app.store.why("later")
    for id in ("later", "expires"):
        assert shown(db, "show", id).returncode == 0


def test_ids_that_collide_make_one_job(app: PyQueue, db: Path) -> None:
    first = app.send_task("t", task_id="mine")
    ours = app.send_task("t")
    post(db, id="'mine'", task="'another'")
    post(db, id=f"'{ours.id}'", task="'another'")
    # A public id of ours in another's hands still leads to our job.
    assert len(claimed(app)) == 3
    for job in (first, ours):
        summary = app.store.show(job.id)
        assert summary is not None
        assert summary.task == "t"


def test_more_queues_than_there_can_be_leave_the_others_served(app: PyQueue, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.executemany(
            "INSERT INTO pyqueue_queue VALUES(?, ?)", [(n, f"q{n}") for n in range(1, 4_094)]
        )
        # The version of the queues' cache.
        connection.execute("UPDATE pyqueue_head SET pos = pos + 1 WHERE band = -2")
    app.send_task("t", task_id="good")
    for n in range(3):
        post(db, id=f"'n{n}'", queue=f"'new{n}'")
    assert sorted(claimed(app)) == ["good", "n0"]
    for n in (1, 2):
        dead = app.store.view(f"n{n}")
        assert dead.state == "dead"
        assert "would be the 4096th of this file" in str(dead.failure and dead.failure.message)


def shown(db: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", *arguments, "--db", str(db)],
        check=False,
        capture_output=True,
        timeout=30,
    )


def steers(output: bytes) -> bool:
    """Whether anything but text and line ends is in it."""
    return any(not each.isprintable() and each != "\n" for each in output.decode())


@pytest.mark.parametrize("folded", [False, True])
def test_names_that_steer_a_terminal_are_shown_as_text(app: PyQueue, db: Path, folded: bool) -> None:
    post(db, id=ESCAPE, task=ESCAPE, queue=ESCAPE, dedup_key=ESCAPE, content_type=ESCAPE, body="x'1b5b324a'")
    name = "x\x1b]0;owned\x07\n\x9b31m"
    if folded:
        assert claimed(app) == [name]
    commands = [
        ("list",),
        ("status",),
        ("show", name),
        ("show", "-v", name),
        ("why", name),
        ("report",),
        ("doctor",),
    ]
    said_all = [shown(db, *command) for command in commands]
    for command, ended in zip(commands, said_all, strict=True):
        assert not steers(ended.stdout + ended.stderr), (command, ended)
        assert ended.returncode in (0, 1) or command[0] == "result", (command, ended)
    assert any(b"\\x1b]0;owned\\x07\\n\\x9b31m" in ended.stdout for ended in said_all)
    assert steers(name.encode()), "control: it is seen"


def test_errors_about_such_names_are_one_sentence(app: PyQueue, db: Path) -> None:
    ended = shown(db, "result", "x\x1b[2Jy")
    assert ended.returncode != 0
    assert not steers(ended.stderr)
    said(ended.stderr.decode(), happened="no job", do="")
