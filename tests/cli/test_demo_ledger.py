from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pyqueue.demo import ledger


def demo(folder: Path, timeout: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", "demo", "ledger", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def right(done: subprocess.CompletedProcess[str], transfers: int, kills: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.replace(",", "")
    for line in (
        rf"effects +{transfers}",
        rf"jobs +{transfers}",
        r"doubled +0",
        r"lost +0",
        r"sum .* as at first",
    ):
        assert re.search(rf"^{line}$", said, re.M), (line, done.stdout)
    killed = re.search(r"^kills +(\d+)", said, re.M)
    assert killed is not None
    assert int(killed[1]) >= kills


@pytest.mark.timeout(120)
def test_the_books_are_right_whoever_is_killed(tmp_path: Path) -> None:
    right(demo(tmp_path, 110, "--transfers", "2000", "--kills", "10"), 2_000, 10)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_million_transfers_under_a_thousand_kills(tmp_path: Path) -> None:
    right(demo(tmp_path, 3_500, "--transfers", "1000000", "--kills", "1000"), 1_000_000, 1_000)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Three orders, carried out."""
    path = tmp_path / "ledger.db"
    ledger.prepare(str(path))
    with sqlite3.connect(path) as connection:
        for number in (1, 2, 3):
            connection.execute("INSERT INTO ordered VALUES (?, 'job')", (number,))
            connection.execute("INSERT INTO entry(transfer, cents) VALUES (?, 5)", (number,))
    connection.close()
    return path


def test_books_that_fit(books: Path) -> None:
    assert ledger.audit(str(books), 3).wrong == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("INSERT INTO entry(transfer, cents) VALUES (2, 5)", "carried out more than once"),
        ("DELETE FROM entry WHERE transfer = 2", "were not carried out"),
        ("INSERT INTO entry(transfer, cents) VALUES (9, 5)", "were not carried out"),
        ("DELETE FROM ordered WHERE transfer = 3", "were not carried out"),
        ("UPDATE account SET balance = balance + 1 WHERE id = 7", "the accounts hold"),
    ],
)
def test_control_books_that_do_not_fit(books: Path, change: str, told: str) -> None:
    with sqlite3.connect(books) as connection:
        connection.execute(change)
    connection.close()
    assert any(told in sentence for sentence in ledger.audit(str(books), 3).wrong)


def test_control_a_job_without_success(books: Path) -> None:
    assert ledger.audit(str(books), 2).wrong == ["1 orders have no job that succeeded"]
