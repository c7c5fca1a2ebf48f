"""Where the file lies: whose it is, who can read it, what it lies on. The file itself is never opened here:
closing it would drop locks.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from typing import Any, Final

from pyqueue.doctor.finding import Finding

ROOM: Final = 64 << 20
"""Bytes: the write-ahead log may grow to this before it starts again."""
IN_MEMORY: Final = ("tmpfs", "ramfs", "devtmpfs")


def look(path: str, facts: dict[str, Any]) -> Iterator[Finding]:
    """Findings about the file, its side files and its disk; ``facts`` are those of ``pyqueue report``."""
    if "problem" in facts:
        yield Finding("file", "problem", facts["problem"], "give a path that this user may look at")
        return
    real = os.path.realpath(path)
    yield _file(path, real, facts)
    yield from _access(real)
    yield _system(facts)
    yield _room(facts)
    yield _cache(facts)


def _file(path: str, real: str, facts: dict[str, Any]) -> Finding:
    seen = f"{real}, {facts['bytes']:,} bytes" + (f", through the link {path}" if facts["is_symlink"] else "")
    if facts["links"] > 1:
        return Finding(
            "file",
            "problem",
            f"{seen}, with {facts['links']} hard links: SQLite would keep a log for each name",
            "remove the other names",
        )
    return Finding("file", "ok", seen)


def _access(real: str) -> Iterator[Finding]:
    """Job arguments lie in the file and its log in plain text."""
    open_to, owners = [], set()
    for name in (real, f"{real}-wal", f"{real}-shm", f"{real}-pyqueue"):
        try:
            status = os.stat(name)
        except OSError:
            continue
        owners.add(status.st_uid)
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            open_to.append((name, status.st_mode))
    if open_to:
        shown = ", ".join(f"{os.path.basename(name)} {mode & 0o7777:04o}" for name, mode in open_to)
        yield Finding(
            "access",
            "warning",
            f"others than the owner have rights: {shown}; jobs and results can hold secrets",
            f"chmod go= {' '.join(name for name, _ in open_to)}",
        )
    else:
        yield Finding("access", "ok", "only the owner can read or write it")
    if len(owners) > 1:
        yield Finding(
            "owner",
            "problem",
            f"the file and its side files belong to different users: {', '.join(sorted(map(_user, owners)))}",
            "run everything that uses the file as one user, and chown the side files to it",
        )
    elif owners and os.geteuid() not in owners:
        owner = _user(owners.pop())
        yield Finding(
            "owner",
            "warning",
            f"the file belongs to {owner}, this is {_user(os.geteuid())}",
            f"run as {owner}",
        )
    folder = os.stat(os.path.dirname(real))
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        yield Finding(
            "directory",
            "problem",
            "everybody can replace the file: its directory is writable for all",
            f"chmod o-w {os.path.dirname(real)}",
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _system(facts: dict[str, Any]) -> Finding:
    kind, options = facts["file_system"], facts["mount_options"]
    if kind in IN_MEMORY:
        return Finding(
            "file system", "warning", f"{kind}: everything is gone after a reboot", "put the file on a disk"
        )
    if "ro" in options.partition(" ")[0].split(","):
        return Finding("file system", "problem", f"{kind}, mounted read-only", "mount it writable")
    return Finding("file system", "ok", kind)


def _room(facts: dict[str, Any]) -> Finding:
    free: int = facts["free_bytes"]
    seen = f"{free / (1 << 20):,.0f} MiB free"
    if free < ROOM:
        return Finding(
            "room", "warning", f"{seen}; the log alone may need {ROOM >> 20}", "make room, or move the file"
        )
    return Finding("room", "ok", seen)


def _cache(facts: dict[str, Any]) -> Finding:
    cache = facts["disk_write_cache"]
    known = {
        "write through": "the disk writes through: what it has confirmed is stable",
        "write back": "the disk has a cache, which each sync empties; a disk that lies about that is not seen here",
    }
    return Finding("disk cache", "ok", known.get(cache, f"the kernel tells nothing of it ({cache})"))
