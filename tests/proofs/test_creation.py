"""Processes that use a new file at the same moment make it together, as a script and its worker do."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

from processes import Started

from pyqueue._core import Store

# They meet by the clock, each file a little later than the last: to the microsecond, as no signal could do.
OPENING = """
import sys, time
from pyqueue._core import NewJob, Store
for number, path in enumerate(sys.argv[2:]):
    while time.time() < float(sys.argv[1]) + number * 0.04: pass
    try:
        Store(path, durability="normal").enqueue([NewJob("app.nop", b"[]")])
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""

FILES, PROCESSES = 40, 3


def errors(folder: Path, paths: list[Path]) -> list[str]:
    """What the processes have met that open each of the files at the same time."""
    begin = str(time.time() + 0.5)
    with ExitStack() as stack:
        opening = [
            stack.enter_context(Started(folder, "-c", OPENING, begin, *map(str, paths)))
            for _ in range(PROCESSES)
        ]
        for process in opening:
            assert process.wait(40) == 0, process.log.read_text()
        return [line for process in opening for line in process.out.read_text().splitlines()]


def test_processes_that_use_a_new_file_at_once_all_get_in(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(FILES)]
    assert errors(tmp_path, paths) == []
    assert [Store(str(path)).queues()[0].waiting for path in paths] == [PROCESSES] * FILES


def test_control_an_empty_database_that_nobody_is_creating_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    os.utime(path, (0, 0))
    found = errors(tmp_path, [path])
    assert len(found) == PROCESSES
    assert all("empty database" in error for error in found), found
