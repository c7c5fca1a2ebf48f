"""The application's own SQLite on the same file, in the same process, harms nothing and is not harmed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checking import faults
from processes import Started, write_app

PROGRAM = """
import json, sqlite3, sys, threading, time
from app import app, nop

number, seconds, out = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
ends = time.monotonic() + seconds
ids, rows, errors = [], [], []
loops = 0

def guarded(act):
    try:
        act()
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")

def enqueue():
    while time.monotonic() < ends and not errors:
        ids.append(nop.delay().id)

def own():
    global loops
    while time.monotonic() < ends and not errors:
        connection = sqlite3.connect("jobs.db", timeout=30)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if loops % 4 == 0:
            row = number * 10**9 + loops
            with connection:
                connection.execute("INSERT INTO own VALUES (?)", (row,))
            rows.append(row)
        connection.close()
        loops += 1

threads = [threading.Thread(target=guarded, args=(act,)) for act in (enqueue, own)]
for thread in threads: thread.start()
for thread in threads: thread.join()
with open(out, "w") as file:
    json.dump({"ids": ids, "rows": rows, "errors": errors, "loops": loops}, file)
"""

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal", embed=True)
@app.task
def nop(): pass
"""

MAKE_TABLE = """
import sqlite3
connection = sqlite3.connect("jobs.db")
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE own(n INTEGER PRIMARY KEY)")
connection.close()
"""

STOCK = {"PYQUEUE_TEST_STOCK_LOCKS": "1"}


def run(folder: Path, seconds: float, env: dict[str, str] | None = None) -> list[str]:
    """Two processes that use both copies at once; what is wrong with them or with the file."""
    folder.mkdir()
    write_app(folder, APP)
    write_app(folder, PROGRAM, "program.py")
    with Started(folder, "-c", MAKE_TABLE) as made:
        assert made.wait(20) == 0
    outs = [folder / f"{number}.json" for number in (1, 2)]
    arguments = [("program.py", str(number + 1), str(seconds), str(out)) for number, out in enumerate(outs)]
    with Started(folder, *arguments[0], env=env) as one, Started(folder, *arguments[1], env=env) as two:
        found = [
            f"ended with {code}: {program.log.read_text()[-500:]}"
            for program in (one, two)
            if (code := program.wait(seconds + 40)) != 0
        ]
    if found:
        return found
    reports = [json.loads(out.read_text()) for out in outs]
    ids = [id for report in reports for id in report["ids"]]
    rows = [row for report in reports for row in report["rows"]]
    opened = sum(report["loops"] for report in reports)
    print(f"{len(ids)} jobs, {len(rows)} rows, {opened} times opened and closed in {seconds:g} s")
    assert min(len(ids), len(rows)) > 10 or env, "hardly anything was written"
    found = [error for report in reports for error in report["errors"]]
    return found + faults(folder / "jobs.db", ids, rows)


@pytest.mark.timeout(120)
def test_nothing_is_lost_beside_the_standard_librarys_sqlite(tmp_path: Path) -> None:
    assert run(tmp_path / "cured", 20) == []


@pytest.mark.timeout(120)
def test_control_with_stock_locks_the_same_program_fails(tmp_path: Path) -> None:
    for attempt in range(4):
        found = run(tmp_path / f"stock-{attempt}", 5, STOCK)
        print(found)
        if found:
            return
    pytest.fail("the check has found nothing wrong with stock locks")
