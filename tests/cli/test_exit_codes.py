"""Each row of the table of exit codes in docs/cli.md."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue.cli import codes

Cli = Callable[..., subprocess.CompletedProcess[str]]

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_table_in_the_documents_is_the_one_in_the_code() -> None:
    known = {value for name, value in vars(codes).items() if name.startswith("EXIT_")}
    rows = [int(code) for code in re.findall(r"^\| (\d+) \|", DOCS.read_text(), re.MULTILINE)]
    assert sorted(rows) == sorted(known)


def test_0_done(cli: Cli, tmp_path: Path) -> None:
    PyQueue(tmp_path / "jobs.db").send_task("app.add")
    assert cli("status").returncode == 0


def test_1_failed(cli: Cli, tmp_path: Path) -> None:
    job = PyQueue(tmp_path / "jobs.db").send_task("app.add")
    job.revoke()
    assert cli("result", job.id).returncode == 1


def test_64_usage(cli: Cli) -> None:
    for arguments in (("nothing",), ("--nothing",), ("status", "--nothing"), ("list", "--limit", "no")):
        done = cli(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
        assert "--help" in done.stderr


def test_64_an_argument_that_is_no_text(tmp_path: Path) -> None:
    _ = PyQueue(tmp_path / "jobs.db").store.queues()
    done = subprocess.run(
        [sys.executable, "-m", "pyqueue", "why", b"\xff"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (64, 1)


def test_65_bad_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_text("this is no database, and is long enough to have a header" * 20)
    assert cli("status").returncode == 65


def test_69_nothing_there(cli: Cli) -> None:
    assert cli("status", "--db", "none.db").returncode == 69


HOLD = """
import sqlite3, sys
held = sqlite3.connect('jobs.db', isolation_level=None)
held.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
sys.stdin.read()
"""


def test_75_not_finished(cli: Cli, tmp_path: Path) -> None:
    job = PyQueue(tmp_path / "jobs.db").send_task("app.add")
    assert cli("result", job.id).returncode == 75


def test_each_kind_of_error_has_its_code() -> None:
    from pyqueue import exceptions

    expected = {
        "ImproperlyConfigured": 64,
        "InvalidJob": 64,
        "FileRefused": 65,
        "DatabaseCorrupt": 65,
        "EncodeError": 65,
        "DecodeError": 65,
        "UnknownJob": 69,
        "DatabaseBusy": 75,
        "TimeoutError": 75,
        "DiskFull": 1,
        "QueueError": 1,
    }
    assert {name: codes.code_of(getattr(exceptions, name)("text")) for name in expected} == expected


# The core waits 30 s for other programs.
@pytest.mark.slow
def test_75_busy(cli: Cli, tmp_path: Path) -> None:
    job = PyQueue(tmp_path / "jobs.db").send_task("app.add")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == b"held\n"
        done = subprocess.run(
            [sys.executable, "-m", "pyqueue", "cancel", job.id],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        holder.stdin.close()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (75, "", 1), done
    assert cli("cancel", job.id).returncode == 0


def test_130_interrupted(tmp_path: Path, eventually: Callable[..., None]) -> None:
    job = PyQueue(tmp_path / "jobs.db").send_task("app.add")
    process = subprocess.Popen(
        [sys.executable, "-m", "pyqueue", "result", job.id, "--wait", "60"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stderr is not None
        # It waits in the core once it has the bell mapped.
        eventually(lambda: "bell" in Path(f"/proc/{process.pid}/maps").read_text())
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert (process.returncode, said) == (130, b"")


def test_v_shows_the_traceback_and_keeps_the_code(cli: Cli) -> None:
    done = cli("status", "-v", "--db", "none.db")
    assert done.returncode == 69
    assert "Traceback" in done.stderr


def test_a_reader_that_goes_is_no_traceback(tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "jobs.db")
    app.enqueue_many([app.signature("app.add")] * 3_000)
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "pyqueue", "list", "--limit", "3000"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")


def test_output_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    PyQueue(tmp_path / "jobs.db").send_task("app.add")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pyqueue", "status"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done
    assert b"No space left" in done.stderr


def test_closed_streams_are_no_traceback(tmp_path: Path) -> None:
    job = PyQueue(tmp_path / "jobs.db").send_task("app.add")
    shell = 'exec "$0" -m pyqueue "$@" <&- >&-'
    for arguments, code, lines in (
        (["status"], 0, 0),
        (["purge", "default"], 64, 1),
        (["cancel", job.id], 0, 0),
    ):
        done = subprocess.run(
            ["sh", "-c", shell, sys.executable, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, check=False
        )
        assert (done.returncode, done.stderr.count(b"\n")) == (code, lines), done
    assert job.state == "REVOKED"
