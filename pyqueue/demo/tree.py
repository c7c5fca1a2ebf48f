"""The files of a tree, and the list of their hashes that ``sha256sum -c`` reads."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_JOBS_WANTED: Final = 100
_MOST_FILES: Final = 150


class Tree(NamedTuple):
    """Regular files below a root, sorted, by their paths there; folders that could not be read."""

    files: list[str]
    unreadable: list[str]


def walk(root: str, skip: Callable[[str], bool]) -> Tree:
    """Finds regular files; follows no symbolic link. ``skip`` is asked with each absolute path."""
    files: list[str] = []
    unreadable: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(os.path.join(root, folder)))
        except OSError:
            unreadable.append(folder or ".")
            continue
        for entry in entries:
            path = os.path.join(folder, entry.name)
            if skip(os.path.join(root, path)):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                files.append(path)
    return Tree(sorted(files), sorted(unreadable))


def chunked(files: list[str]) -> list[list[str]]:
    """At least a hundred chunks where there are as many files, each of at most 150."""
    size = max(1, min(_MOST_FILES, len(files) // _JOBS_WANTED))
    return [files[start : start + size] for start in range(0, len(files), size)]


def sum_line(sha256: str, path: bytes) -> bytes:
    """One line as ``sha256sum`` writes it: a name with a backslash or a line feed is escaped, and the line marked."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    # coreutils 9 drops a carriage return at a line's end, and coreutils 8 does not know its escape.
    if escaped.endswith(b"\r"):
        escaped = escaped[:-1] + b"\\r"
    mark = b"\\" if escaped != path else b""
    return mark + sha256.encode("ascii") + b"  " + escaped + b"\n"


def write_sums(connection: sqlite3.Connection, target: str) -> int:
    """Writes the hashes of all catalogue rows that have one, and puts the file in place whole. The number of lines."""
    draft = f"{target}.{os.getpid()}.tmp"
    count = 0
    try:
        with open(draft, "wb") as file:
            for line in _lines(connection):
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
    return count


def _lines(connection: sqlite3.Connection) -> Iterator[bytes]:
    rows = connection.execute(
        "SELECT sha256, CAST(path AS BLOB) FROM catalog WHERE sha256 IS NOT NULL ORDER BY path"
    )
    return (sum_line(sha256, path) for sha256, path in rows)
