"""What the disk and SQLite can do at all on this machine, at this hour: every other figure is read against these."""

import os
import sqlite3
import time
from pathlib import Path


def synced_appends(folder: Path, count: int = 500) -> float:
    """4 KiB appends with fdatasync, per second."""
    descriptor = os.open(folder / "floor", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    block = bytes(4096)
    start = time.perf_counter()
    for _ in range(count):
        os.write(descriptor, block)
        os.fdatasync(descriptor)
    rate = count / (time.perf_counter() - start)
    os.close(descriptor)
    return rate


def bare_inserts(folder: Path, count: int = 10_000) -> float:
    """One-row inserts and commits in WAL mode with synchronous=NORMAL through Python's sqlite3, per second."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, body BLOB)")
    body = bytes(100)
    start = time.perf_counter()
    for _ in range(count):
        connection.execute("INSERT INTO t(body) VALUES(?)", (body,))
    rate = count / (time.perf_counter() - start)
    connection.close()
    return rate
