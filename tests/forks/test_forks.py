"""A process may fork at any moment, in any way, and die; parents and children go on and lose nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from checking import faults
from processes import Started
from rounds_of_forks import run

HERE = Path(__file__).parent
STOCK = {"PYQUEUE_TEST_STOCK_LOCKS": "1"}


@pytest.mark.timeout(200)
def test_threads_write_while_their_process_forks_and_nothing_hangs_or_is_lost(tmp_path: Path) -> None:
    round = run(tmp_path / "forks", 300)
    print(round.line())
    assert round.faults == []
    assert round.forks >= 300
    assert round.kills > 0
    assert round.children > 300 * 20 // 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_forks(tmp_path: Path) -> None:
    for number in range(4):
        round = run(tmp_path / str(number), 500)
        print(round.line())
        assert round.faults == []


def test_control_children_that_hang_are_reported(tmp_path: Path) -> None:
    found = run(tmp_path / "hang", 3, deadline=2, doings=("hang",)).faults
    kinds = ("by_python", "by_multiprocessing", "by_libc")
    assert {f"a child hangs: {kind} hang" for kind in kinds} <= set(found)


def closing(folder: Path, library: str, env: dict[str, str] | None = None) -> tuple[list[str], list[str]]:
    """What parent and child were acknowledged, and how the child ended if not well."""
    with Started(folder, str(HERE / "closing.py"), library, env=env) as program:
        assert program.wait(40) == 0, program.log.read_text()
        report = json.loads(program.out.read_text())
    if report["status"] != 0:
        return report["ids"], [f"the child ended with {report['status']}: {program.log.read_text()[-300:]}"]
    return report["ids"] + json.loads((folder / "child.json").read_text()), []


def test_a_child_writes_on_while_its_parent_closes(tmp_path: Path) -> None:
    ids, wrong = closing(tmp_path, "pyqueue")
    assert wrong == []
    assert len(ids) == 101
    assert faults(tmp_path / "jobs.db", ids) == []


def test_control_with_stock_locks_the_childs_jobs_are_lost(tmp_path: Path) -> None:
    ids, wrong = closing(tmp_path, "pyqueue", STOCK)
    found = wrong or faults(tmp_path / "jobs.db", ids)
    print(found)
    assert found != []


def test_control_with_the_standard_librarys_sqlite_the_childs_rows_are_lost(tmp_path: Path) -> None:
    ids, wrong = closing(tmp_path, "sqlite3")
    connection = sqlite3.connect(tmp_path / "jobs.db")
    (rows,) = connection.execute("SELECT count(*) FROM own").fetchone()
    connection.close()
    print(f"{rows} of {len(ids)} acknowledged rows are there", *wrong)
    assert wrong or rows < len(ids)
