"""Other copies of SQLite use the file in the same processes, and nobody loses a commit.

Each process has one other copy: two of them beside each other are not safe from each other.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from torture import STOCK, Round, run


def check(round: Round) -> None:
    print(round.line())
    assert round.faults == []
    assert round.ours > 50, "hardly anything was written"
    assert round.hosts > 30, "the application hardly wrote anything"
    assert round.kills > 0


@pytest.mark.timeout(150)
def test_nothing_is_lost_beside_other_copies(tmp_path: Path) -> None:
    check(run(tmp_path / "wal", commits=150_000, seconds=15))


@pytest.mark.timeout(100)
def test_nothing_is_lost_where_the_file_was_in_rollback_mode(tmp_path: Path) -> None:
    check(run(tmp_path / "delete", commits=50_000, seconds=6, journal="delete"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_in_minutes(tmp_path: Path) -> None:
    for number in range(4):
        journal = "delete" if number == 2 else "wal"
        check(run(tmp_path / str(number), commits=1_000_000, seconds=75, journal=journal))


@pytest.mark.timeout(200)
def test_control_with_stock_locks_the_file_is_destroyed(tmp_path: Path) -> None:
    for number in range(4):
        # Nobody is killed: what is lost is lost by the locks alone.
        round = run(tmp_path / str(number), commits=300_000, seconds=5, kill_every=1000, env=STOCK)
        print(round.line())
        if round.faults and round.ours:
            return
    pytest.fail("the check has found nothing wrong with stock locks")
