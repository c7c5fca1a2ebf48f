"""A program: starts a worker on a disk that was full before, and says what it could do there.

``python full_disk_start.py FOLDER [no-reserve]``.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import small_disk
from processes import Started, until, write_app

from pyqueue import PyQueue
from pyqueue.exceptions import DiskFull

APP = """
from pyqueue import PyQueue
app = PyQueue("{db}", durability="normal")

@app.task
def quick(n): return n
"""


def main(folder: Path, reserve: bool) -> int:
    disk = folder / "disk"
    disk.mkdir()
    try:
        small_disk.mount(disk, 16)
    except OSError as error:
        print(error, file=sys.stderr)
        return small_disk.NOT_ALLOWED
    db = disk / "jobs.db"
    write_app(folder, APP.format(db=db))
    command = ("-m", "pyqueue", "worker", "-A", "app.py", "-c", "2")
    with Started(folder, *command, name="first") as first:
        first.wait_said(" ready: ")
    app = PyQueue(db, durability="normal")
    app.enqueue_many([app.signature("app.quick", args=(n,)) for n in range(2_000)])
    # Whoever closes last leaves neither -wal nor -shm: the next has to make both.
    app.store.close()
    aside = disk / "jobs.db-pyqueue" / "reserve"
    assert aside.exists()
    if not reserve:
        aside.unlink()
    small_disk.fill(disk)
    if not reserve:
        ended = subprocess.run(
            [sys.executable, *command], check=False, capture_output=True, text=True, cwd=folder, timeout=30
        )
        print(json.dumps({"code": ended.returncode, "said": ended.stderr}))
        return 0
    with Started(folder, *command, name="second") as second:
        second.wait_said(" ready: ")
        until(lambda: app.store.queues()[0].succeeded == 2_000, timeout=20, what="all are done")
        refused = enqueue_is_refused(app)
        small_disk.empty(disk)
        taken = app.send_task("app.quick", (7,)).get(timeout=10) == 7
        report = {"done": True, "refused": refused, "taken": taken, "left": app.store.queues()[0].waiting}
    with closing(sqlite3.connect(db)) as connection:
        report["integrity"] = connection.execute("PRAGMA integrity_check").fetchone()[0]
    print(json.dumps(report))
    return 0


def enqueue_is_refused(app: PyQueue) -> bool:
    try:
        app.send_task("app.quick", (0,))
    except DiskFull:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "no-reserve" not in sys.argv))
