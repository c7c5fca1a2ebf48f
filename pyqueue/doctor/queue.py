"""What the file says of itself, through the core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pyqueue.doctor.finding import Finding

if TYPE_CHECKING:
    from pyqueue._core import Store

WAL: Final = 64 << 20
"""Bytes. Above this it is made to start again, unless a reader holds an old state."""


def look(store: Store) -> Iterator[Finding]:
    """Findings about an open file. Raises QueueError where it can't be opened."""
    queues, workers = store.queues(), store.workers()
    yield Finding(
        "locks", "ok", "the two kinds of file locks exclude each other here, as tested when it was opened"
    )
    yield Finding("schema", "ok", "of this version, or one that it can use")
    wrong = store.examine()
    if wrong:
        yield Finding(
            "integrity",
            "problem",
            "; ".join(wrong),
            "stop the workers, copy the file with its -wal, and restore a backup; tell the authors what you saw",
        )
    else:
        yield Finding("integrity", "ok", "SQLite finds no damage, and every job is in one place")
    gone = [each for each in workers if not each.alive]
    alive = len(workers) - len(gone)
    waiting = sum(queue.waiting for queue in queues)
    if gone and not alive:
        names = ", ".join(each.name for each in gone)
        yield Finding(
            "workers",
            "warning",
            f"none is alive, and {sum(each.running for each in gone)} jobs are still held by {names}",
            "start a worker: it takes them back at once",
        )
    elif waiting and not alive:
        yield Finding(
            "workers", "warning", f"{waiting:,} jobs wait and no worker is alive", "start one: pyqueue worker"
        )
    else:
        yield Finding("workers", "ok", f"{alive} alive")
    yield _log(store.path)


def _log(path: str) -> Finding:
    try:
        size = os.stat(f"{os.path.realpath(path)}-wal").st_size
    except OSError:
        size = 0
    if size > 2 * WAL:
        return Finding(
            "wal",
            "warning",
            f"the write-ahead log has {size >> 20:,} MiB: a connection holds an old state of the file",
            "end the transaction that reads for so long (see 'users')",
        )
    return Finding("wal", "ok", f"the write-ahead log has {size / (1 << 20):,.1f} MiB")
