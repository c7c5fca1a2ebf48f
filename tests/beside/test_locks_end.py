"""Once a process has closed what it had open, it holds no lock: another one may have the file for itself.

SQLite counts a process's locks and lets go of the last one through whichever connection is closed last; the system
knows only through which one it was taken.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from processes import Started

HOLDER = """
import sys, time
from pyqueue._core import NewJob, Store

stores = {}
for name in ("older", "younger"):
    stores[name] = Store("jobs.db", durability="normal")
    stores[name].enqueue([NewJob("put", b'{"v":1,"args":[],"kwargs":{}}')])
for name in sys.argv[1:]:
    stores[name].close()
print("closed", flush=True)
time.sleep(60)
"""


def taken_back(folder: Path, *closed: str) -> list[str]:
    """What the application's SQLite says to leaving the write-ahead log, beside a process that lives on."""
    with Started(folder, "-c", HOLDER, *closed) as holder:
        holder.wait_said("closed")
        connection = sqlite3.connect(folder / "jobs.db")
        try:
            return [mode for (mode,) in connection.execute("PRAGMA journal_mode=DELETE")]
        except sqlite3.OperationalError as error:
            return [str(error)]
        finally:
            connection.close()


@pytest.mark.parametrize("closed", [("older", "younger"), ("younger", "older")], ids=" then ".join)
def test_no_lock_outlives_the_last_connection(tmp_path: Path, closed: tuple[str, ...]) -> None:
    assert taken_back(tmp_path, *closed) == ["delete"]
    assert not (tmp_path / "jobs.db-wal").exists()


@pytest.mark.parametrize("closed", ["older", "younger"])
def test_control_a_connection_that_is_open_is_in_the_way(tmp_path: Path, closed: str) -> None:
    assert taken_back(tmp_path, closed) == ["database is locked"]
