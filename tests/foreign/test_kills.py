"""SIGKILL at every point of the transaction: its rows and its jobs are there together, or not at all."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from foreign.kill_points import JOBS, PLAIN
from foreign.libraries import LIBRARIES

from pyqueue import PyQueue

TESTS = Path(__file__).parents[1]


class Round(NamedTuple):
    """One transaction whose process was killed; without a statement it came to its end."""

    n: int
    after: bool
    statement: str
    killed: bool


def rounds(library: str, db: Path, joined: bool = True) -> list[Round]:
    """Kills a process at each point of the transaction."""
    done = subprocess.run(
        [sys.executable, "-m", "foreign.kill_points", library, str(db), "joined" if joined else "apart"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Round(**json.loads(line)) for line in done.stdout.splitlines()]


def jobs_of(app: PyQueue) -> Counter[int]:
    """How many jobs of each round a worker is given."""
    worker = app.store.join("test", 1, 30_000_000)
    given: Counter[int] = Counter()
    while claimed := app.store.claim(worker, 100):
        given.update(json.loads(job.body)["args"][0] for job in claimed)
    return given


def expected(one: Round, commit: int, at: int) -> int:
    """Whether the transaction was committed when its process died at statement ``at``."""
    return at > commit or (at == commit and one.after) if one.killed else True


@pytest.mark.timeout(180)
@pytest.mark.parametrize("library", [*LIBRARIES, PLAIN])
def test_rows_and_jobs_agree(shop: PyQueue, db: Path, sales: Callable[[], list[int]], library: str) -> None:
    done = rounds(library, db)
    rows, jobs = Counter(sales()), jobs_of(shop)
    for after in (False, True):
        points = [one for one in done if one.after is after]
        assert [one.killed for one in points] == [True] * (len(points) - 1) + [False]
        (commit,) = [at for at, one in enumerate(points) if one.statement.startswith("COMMIT")]
        assert commit > JOBS
        for at, one in enumerate(points):
            there = expected(one, commit, at)
            assert (rows[one.n], jobs[one.n]) == ((2, JOBS) if there else (0, 0)), one
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_jobs_made_apart_do_not_agree(shop: PyQueue, db: Path, sales: Callable[[], list[int]]) -> None:
    done = rounds("sqlite3 none", db, joined=False)
    rows, jobs = Counter(sales()), jobs_of(shop)
    assert any(bool(rows[one.n]) != bool(jobs[one.n]) for one in done)
