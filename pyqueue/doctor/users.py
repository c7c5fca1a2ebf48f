"""Which processes have the file open, and with which copies of SQLite; as far as this user may look."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pyqueue.doctor.finding import Finding

OURS: Final = re.compile(r"/pyqueue/_core\.")
FOREIGN: Final = re.compile(r"/(libsqlite3\.so|libsqlcipher\.so|apsw/|pysqlite3/|_pysqlite|libduckdb)")


class User(NamedTuple):
    """A process that has the file open."""

    pid: int
    name: str
    ours: bool
    foreign: tuple[str, ...]


def look(path: str) -> Iterator[Finding]:
    """Findings about the processes that use the file now."""
    users = list(using(path))
    if not users:
        yield Finding("users", "ok", "no other process that can be seen has the file open")
        return
    shown = ", ".join(f"{each.name} ({each.pid})" for each in users)
    yield Finding("users", "ok", f"open in {shown}")
    for each in users:
        # Ours is safe beside each of them; they are not safe from each other.
        if len(each.foreign) > 1:
            yield Finding(
                "copies",
                "problem",
                f"process {each.pid} ({each.name}) has the file open and {len(each.foreign)} other copies of SQLite "
                f"loaded: {', '.join(each.foreign)}; if two of them use the file they undo each other's locks",
                "use the file in that process through one of them only, beside pyqueue",
            )
        elif each.foreign and not each.ours:
            yield Finding("copies", "ok", f"process {each.pid} ({each.name}) uses {each.foreign[0]}")


def using(path: str) -> Iterator[User]:
    """Processes other than this one."""
    real = os.path.realpath(path)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and _has_open(entry, real):
            maps = _maps(entry)
            yield User(
                int(entry),
                _name(entry),
                any(map(OURS.search, maps)),
                tuple(sorted(filter(FOREIGN.search, maps))),
            )


def _has_open(process: str, real: str) -> bool:
    try:
        numbers = os.listdir(f"/proc/{process}/fd")
    except OSError:
        return False
    for number in numbers:
        try:
            if os.readlink(f"/proc/{process}/fd/{number}") == real:
                return True
        except OSError:
            continue
    return False


def _maps(process: str) -> set[str]:
    try:
        with open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as lines:
            return {fields[5].strip() for line in lines if len(fields := line.split(maxsplit=5)) == 6}
    except OSError:
        return set()


def _name(process: str) -> str:
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"
