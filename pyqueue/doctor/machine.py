"""What this Python and this kernel bring along: copies of SQLite, clocks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from pyqueue._core import sqlite_version
from pyqueue.doctor.finding import Finding

Version = tuple[int, ...]
RESET_BUG: Final[tuple[Version, Version]] = ((3, 7, 0), (3, 51, 2))
"""Two connections that write and checkpoint at one moment can corrupt the file (fixed in 3.51.3)."""
STRICT: Final[Version] = (3, 37, 0)
"""The first that reads STRICT tables."""


def look() -> Iterator[Finding]:
    """Findings about this machine, without a file."""
    yield Finding("sqlite", "ok", f"pyqueue's own copy is {sqlite_version}")
    for name, version in _copies():
        yield judged(name, version)
    yield from _clock()


def _copies() -> Iterator[tuple[str, str]]:
    """The other copies an application in this Python may use on the file."""
    try:
        import sqlite3  # noqa: PLC0415

        yield "sqlite3", sqlite3.sqlite_version
    except ImportError:
        pass
    try:
        import apsw  # noqa: PLC0415

        yield "apsw", apsw.sqlite_lib_version()
    except ImportError:
        pass


def judged(name: str, version: str) -> Finding:
    """What a copy of SQLite of that version means beside ours."""
    number = tuple(int(part) for part in version.split("."))
    seen = f"{name} of this Python has {version}"
    if number < STRICT:
        return Finding(
            "sqlite",
            "problem",
            f"{seen}, which can't read our tables: an application that uses {name} on the queue's file will fail",
            "use a Python with SQLite 3.37 or newer, or keep the application's data in another file",
        )
    if RESET_BUG[0] <= number <= RESET_BUG[1]:
        return Finding(
            "sqlite",
            "warning",
            f"{seen}: versions before 3.51.3 can corrupt a database when they checkpoint while another connection writes",
            f"where {name} uses the queue's file, set PRAGMA wal_autocheckpoint=0 on its connections "
            f"(pyqueue's copy checkpoints for it) or use a newer one",
        )
    return Finding("sqlite", "ok", seen)


def _clock() -> Iterator[Finding]:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        namespace = os.readlink("/proc/self/ns/time")
    except OSError as error:
        yield Finding(
            "clock",
            "warning",
            f"the boot clock can't be identified ({error}): leases of before a reboot are known only by their time",
            "mount /proc",
        )
        return
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    yield Finding(
        "clock", "ok", f"leases on CLOCK_BOOTTIME, {up / 3600:,.1f} h since boot {boot}, {namespace}"
    )
