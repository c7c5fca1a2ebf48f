from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bad_input.judging import contents, rows, said

from pyqueue import PyQueue
from pyqueue.exceptions import FileRefused


def text(path: Path) -> None:
    path.write_text("this is a list of things to do, and no database\n" * 100)


def short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")


def empty(path: Path) -> None:
    path.touch()
    # One that is new may be another process's that is just being made, and is watched for some seconds.
    os.utime(path, (1, 1))


def another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE invoice(n)")
        connection.execute("INSERT INTO invoice VALUES (7)")


def queue(path: Path) -> None:
    PyQueue(path).send_task("a")


def too_new(path: Path) -> None:
    queue(path.with_name("older"))
    with closing(sqlite3.connect(path.with_name("older"))) as older, closing(sqlite3.connect(path)) as copy:
        older.backup(copy)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE pyqueue_meta SET value = 99 WHERE name = 'oldest_compatible'")


def hard_link(path: Path) -> None:
    queue(path.with_name("first"))
    os.link(path.with_name("first"), path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "happened", "do"),
    [
        (text, "not a SQLite database", "give another path"),
        (short, "not a SQLite database", "give another path"),
        (empty, "is empty", "delete it|embed=True"),
        (another_programs, 'belongs to another program .it holds "invoice"', "embed=True"),
        (too_new, "newer pyqueue", "upgrade pyqueue"),
        (hard_link, "more than one hard link", "remove the other names"),
        (link_to_nothing, "symbolic link leads to nothing", "create its target or remove the link"),
        (Path.mkdir, "this is a directory", "give the path of a file in it"),
        (os.mkfifo, "a device or pipe", "a regular file"),
        (bound_socket, "a socket", "a regular file"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_file_that_can_not_be_a_queue_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], object], happened: str, do: str
) -> None:
    path = tmp_path / "jobs.db"
    make(path)
    before = contents(tmp_path), sorted(tmp_path.rglob("*"))
    app = PyQueue(path)
    for act in (lambda: app.send_task("a"), lambda: app.AsyncResult("x").state, app.store.queues):
        with pytest.raises(FileRefused) as caught:
            act()
        said(caught.value, happened=happened, do=do)
        said(caught.value, happened=str(path), do="")
    assert (contents(tmp_path), sorted(tmp_path.rglob("*"))) == before


def test_a_missing_directory_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        PyQueue(tmp_path / "none" / "jobs.db").send_task("a")
    said(caught.value, happened=f"there is no directory {tmp_path / 'none'}", do="create it first")
    assert list(tmp_path.iterdir()) == []


def test_another_programs_file_is_shared_where_that_is_said(tmp_path: Path) -> None:
    another_programs(tmp_path / "jobs.db")
    assert PyQueue(tmp_path / "jobs.db", embed=True).send_task("a").state == "PENDING"
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        assert connection.execute("SELECT n FROM invoice").fetchall() == [(7,)]


@pytest.mark.parametrize("name", ["jobs.db-wal", "jobs.db-shm", "jobs.db-journal"])
def test_the_name_of_a_side_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileRefused) as caught:
        PyQueue(tmp_path / name).send_task("a")
    said(caught.value, happened="the name of a side file of SQLite", do="give the database a name without")
    assert list(tmp_path.iterdir()) == []


def test_a_command_says_the_same_and_shows_no_traceback(tmp_path: Path) -> None:
    text(tmp_path / "jobs.db")
    (tmp_path / "app.py").write_text("from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n")
    for command in (["status", "--db", "jobs.db"], ["worker"]):
        ended = subprocess.run(
            [sys.executable, "-m", "pyqueue", *command],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert ended.returncode == 65, ended
        said(ended.stderr, happened="pyqueue: .*not a SQLite database", do="give another path")


AS_NOBODY = """
import os, sys, tomllib  # before this user may no longer read it
from pyqueue import PyQueue
from pyqueue.exceptions import FileRefused
if os.getuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
try:
    print(PyQueue(sys.argv[1]).send_task("b").id)
except FileRefused as error:
    print(error, file=sys.stderr)
    sys.exit(9)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are root's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "in").mkdir()
        yield Path(folder) / "in"
        (Path(folder) / "in").chmod(0o755)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "happened", "do"),
    [
        (0o444, 0o777, "can't be opened for reading and writing", "run as a user who may"),
        (0o000, 0o777, "can't be opened for reading and writing", "run as a user who may"),
        (0o666, 0o555, "directory is not writable", "change its rights"),
        (0o666, 0o000, "path can't be followed", "this user may read"),
    ],
    ids=["read-only file", "secret file", "read-only folder", "secret folder"],
)
def test_a_file_that_this_user_may_not_write_is_refused(
    public: Path, file_mode: int, folder_mode: int, happened: str, do: str
) -> None:
    queue(public / "jobs.db")
    before = rows(public / "jobs.db"), (public / "jobs.db").read_bytes()
    (public / "jobs.db").chmod(file_mode)
    public.chmod(folder_mode)
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(public / "jobs.db")],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    public.chmod(0o755)
    (public / "jobs.db").chmod(0o600)
    assert ended.returncode == 9, ended
    said(ended.stderr, happened=happened, do=do)
    assert (rows(public / "jobs.db"), (public / "jobs.db").read_bytes()) == before


def test_control_that_user_may_use_a_file_of_his_own(public: Path) -> None:
    public.chmod(0o777)
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(public / "own.db")],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 0, ended
