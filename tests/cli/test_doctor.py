"""The doctor against files and machines in which something is wrong."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyqueue.doctor.machine import judged

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def file(tmp_path: Path, cli: Cli) -> Path:
    # Not by this process: it would keep the file open, beside whatever copies of SQLite other tests have loaded.
    assert cli("call", "app.add", "--countdown", "3600", "--db", "jobs.db").returncode == 0
    return tmp_path / "jobs.db"


def found(cli: Cli, code: int) -> dict[str, list[dict[str, Any]]]:
    """The findings by check."""
    done = cli("doctor", "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    told = json.loads(done.stdout)
    checks: dict[str, list[dict[str, Any]]] = {}
    for finding in told["findings"]:
        checks.setdefault(finding["check"], []).append(finding)
    assert (told["worst"] == "problem") == (code == 1)
    return checks


def levels(checks: dict[str, list[dict[str, Any]]], check: str) -> list[str]:
    return [finding["level"] for finding in checks[check]]


def test_a_sound_file(cli: Cli, file: Path) -> None:
    checks = found(cli, 0)
    for check in ("file", "access", "users", "locks", "integrity", "workers", "wal", "clock"):
        assert levels(checks, check) == ["ok"], checks[check]
    shown = cli("doctor")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"db: {file}\n")


def test_without_a_file_the_machine_is_looked_at(cli: Cli) -> None:
    checks = found(cli, 0)
    assert "file" not in checks
    assert len(checks["sqlite"]) >= 2
    assert cli("doctor", "--db", "nowhere.db").returncode == 69


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.34.1", "problem"), ("3.40.1", "warning"), ("3.51.2", "warning"), ("3.51.3", "ok"), ("3.54.0", "ok")],
)
def test_versions_of_other_copies(version: str, level: str) -> None:
    finding = judged("sqlite3", version)
    assert finding.level == level
    assert version in finding.seen
    assert (finding.advice is None) == (level == "ok")


def test_rights_of_others(cli: Cli, file: Path) -> None:
    file.chmod(0o644)
    checks = found(cli, 0)
    assert levels(checks, "access") == ["warning"]
    assert f"chmod go= {file}" in checks["access"][0]["advice"]
    file.parent.chmod(0o777)
    assert levels(found(cli, 1), "directory") == ["problem"]


def test_side_files_of_another_user(cli: Cli, file: Path) -> None:
    os.chown(f"{file}-pyqueue", 65534, 65534)
    assert levels(found(cli, 1), "owner") == ["problem"]


def test_a_hard_link(cli: Cli, file: Path) -> None:
    file.with_name("other.db").hardlink_to(file)
    checks = found(cli, 1)
    assert levels(checks, "file") == ["problem"]
    assert "hard link" in checks["queue"][0]["seen"]


def test_a_job_that_would_never_start(cli: Cli, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM pyqueue_side")
    checks = found(cli, 1)
    assert "delayed jobs without a time" in checks["integrity"][0]["seen"]


def test_a_damaged_page(cli: Cli, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name='pyqueue_history_job'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with file.open("r+b") as opened:
        opened.seek((root - 1) * size)
        opened.write(b"\x00" * 16)
    checks = found(cli, 1)
    assert levels(checks, "integrity" if "integrity" in checks else "queue") == ["problem"]


BOTH = """
import sys, sqlite3, apsw
one, other = sqlite3.connect(sys.argv[1]), apsw.Connection(sys.argv[1])
one.execute("SELECT count(*) FROM sqlite_schema").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def both_copies(file: Path) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", BOTH, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.kill()


def test_two_foreign_copies_in_one_process(cli: Cli, both_copies: int) -> None:
    checks = found(cli, 1)
    assert str(both_copies) in checks["users"][0]["seen"]
    assert "apsw" in checks["copies"][0]["seen"]
    assert levels(checks, "copies") == ["problem"]
