"""The files a run makes, and the older ones it may replace."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Set
from typing import Final, NamedTuple

from pyqueue.exceptions import ImproperlyConfigured


class Files(NamedTuple):
    """Absolute paths: the queue file, the workers' log, the list of hashes."""

    db: str
    log: str
    sums: str

    def ours(self, path: str) -> bool:
        """Whether a path belongs to the run itself, so that the tree's walk must leave it out."""
        return path == self.sums or path.startswith(f"{self.sums}.") or path in _side_files(self.db)

    @staticmethod
    def root(path: str) -> str:
        """The tree's root without symbolic links, comparable with the paths above."""
        return os.path.realpath(path)


CATALOGUE: Final = frozenset({"pyqueue_meta", "catalog", "running"})


def claim_files(db: str, *, force: bool, ours: Set[str] = CATALOGUE) -> Files:
    """Makes sure the queue file is a new one. ``ours``: tables of an earlier run, which may be deleted.

    Raises ImproperlyConfigured if a file exists that may not be.
    """
    db = os.path.realpath(db)
    if os.path.lexists(db):
        if not force:
            raise ImproperlyConfigured(
                f"{db} exists already; name another with --db, or delete it with --force"
            )
        if not _made_by_us(db, ours):
            raise ImproperlyConfigured(f"{db} was not made by an earlier run of this, and is not deleted")
        for path in _side_files(db):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
    if not os.path.isdir(os.path.dirname(db)):
        raise ImproperlyConfigured(f"there is no folder {os.path.dirname(db)}")
    return Files(db, f"{db}.log", os.path.join(os.path.realpath(os.curdir), "SHA256SUMS"))


def _side_files(db: str) -> list[str]:
    return [db, *(db + suffix for suffix in ("-wal", "-shm", "-journal", "-pyqueue", ".log"))]


def _made_by_us(db: str, ours: Set[str]) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    except sqlite3.Error:
        return False
    return ours <= names
