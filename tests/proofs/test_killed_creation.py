"""A process that is killed while it makes the file leaves one that the next process can use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from processes import Started

from pyqueue._core import FileRefused, NewJob, Store

# Each file has a maker of its own, killed after a while that grows from nothing to more than it needs.
MAKING = """
import os, signal, sys, time
from pyqueue._core import NewJob, Store
for number, path in enumerate(sys.argv[1:]):
    ready, go = os.pipe()
    maker = os.fork()
    if maker == 0:
        os.write(go, b"-")
        Store(path, durability="normal").enqueue([NewJob("app.nop", b"[]")])
        os._exit(0)
    os.read(ready, 1)
    time.sleep(number / len(sys.argv) * 0.03)
    os.kill(maker, signal.SIGKILL)
    os.waitpid(maker, 0)
    os.close(ready)
    os.close(go)
"""

FILES = 150


def without_tables(path: Path) -> bool:
    """By its bytes, since opening it would already repair it: no cell in the root of the schema, no WAL."""
    wal = path.with_name(f"{path.name}-wal")
    return path.read_bytes()[103:105] == b"\0\0" and not (wal.exists() and wal.stat().st_size)


def test_a_file_whose_maker_was_killed_can_be_used(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(FILES)]
    with Started(tmp_path, "-c", MAKING, *map(str, paths)) as making:
        assert making.wait(50) == 0, making.log.read_text()
    begun = [path for path in paths if path.exists()]
    unfinished = [path for path in begun if without_tables(path)]
    print(f"{FILES} makers killed: {FILES - len(begun)} files not begun, {len(unfinished)} without tables")
    assert len(begun) > 0, "no maker came so far"
    assert len(unfinished) > 0, "no kill came between the file and its tables"
    for path in paths:
        Store(str(path), durability="normal").enqueue([NewJob("app.nop", b"[]")])
    assert {Store(str(path)).queues()[0].waiting for path in paths} <= {1, 2}


def test_control_an_empty_file_is_not_taken_for_one_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.touch()
    with pytest.raises(FileRefused, match="is empty"):
        Store(str(path)).enqueue([NewJob("app.nop", b"[]")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=7")
    with pytest.raises(FileRefused, match="not made by pyqueue"):
        Store(str(path)).enqueue([NewJob("app.nop", b"[]")])
