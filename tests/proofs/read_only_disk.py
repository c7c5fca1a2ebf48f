"""A program: a disk that somebody tries to make read-only while the queue on it is in use, and one that is.

``python read_only_disk.py FOLDER``.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import small_disk

from pyqueue import PyQueue
from pyqueue.exceptions import QueueError

READ_ONLY, REMOUNT = 1, 32


def remount(disk: Path, flags: int) -> int:
    """0, or the error's number."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"disk", os.fsencode(disk), b"tmpfs", REMOUNT | flags, None) == 0:
        return 0
    return ctypes.get_errno()


def main(disk: Path) -> int:
    try:
        small_disk.mount(disk, 16)
    except OSError as error:
        print(error, file=sys.stderr)
        return small_disk.NOT_ALLOWED
    # In a process of its own: this one must have nothing open there.
    use = f"from pyqueue import PyQueue; PyQueue({str(disk / 'jobs.db')!r}).send_task('a'); input()"
    with subprocess.Popen([sys.executable, "-c", use], stdin=subprocess.PIPE) as user:
        while not (disk / "jobs.db-wal").exists() or (disk / "jobs.db-wal").stat().st_size == 0:
            assert user.poll() is None
        busy = remount(disk, READ_ONLY) == errno.EBUSY
        user.communicate(b"\n")
    assert remount(disk, READ_ONLY) == 0
    app = PyQueue(disk / "jobs.db")
    refused = ""
    try:
        app.send_task("b")
    except QueueError as error:
        refused = f"{type(error).__name__}: {error}"
    assert remount(disk, 0) == 0
    before = app.store.queues()[0].waiting
    app.send_task("b")
    stored = app.store.queues()[0].waiting - before
    print(json.dumps({"busy": busy, "refused": refused, "stored": stored}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
