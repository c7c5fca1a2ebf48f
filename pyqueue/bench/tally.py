"""Counts and times that tasks leave behind, in a file for each process, so that no queue is asked what it has done.

Imports nothing but the standard library: other queues' workers load this very file, and count in the same way.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import Final

FOLDER: Final = "BENCH_FOLDER"
"""The environment variable that names the folder of the tallies."""

_NOTES: Final = 4_000_000
_HEAD: Final = 2
_BYTES: Final = 8 * (_HEAD + _NOTES)

_own: memoryview | None = None


def count() -> None:
    """One more. Neither of the two steps of += gives way to another thread of this process."""
    own = _own or _open()
    own[0] += 1


def note(value: int) -> None:
    """Keeps a number, and counts one more."""
    own = _own or _open()
    at = own[1]
    own[1] = at + 1
    if at < _NOTES:
        own[_HEAD + at] = value
    own[0] += 1


def waited(sent_ns: int) -> None:
    """Notes how long ago ``sent_ns`` was, by the monotonic clock that all processes share."""
    note(time.monotonic_ns() - sent_ns)


def _open() -> memoryview:
    global _own  # noqa: PLW0603
    path = os.path.join(os.environ[FOLDER], f"tally-{os.getpid()}")
    _own = _mapped(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return _own


def _mapped(descriptor: int) -> memoryview:
    os.ftruncate(descriptor, _BYTES)
    pages = mmap.mmap(descriptor, _BYTES)
    os.close(descriptor)
    return memoryview(pages).cast("q")


def _forget() -> None:
    global _own  # noqa: PLW0603
    _own = None


os.register_at_fork(after_in_child=_forget)


class Tallies:
    """All tallies of a folder, read by whoever measures."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known: dict[str, memoryview] = {}

    def total(self) -> int:
        """How often any task has counted."""
        return sum(each[0] for each in self._each())

    def each(self) -> list[list[int]]:
        """The notes of each process, in its order. Raises OverflowError if one had more to say than has room."""
        notes = [(each[1], each) for each in self._each()]
        if any(length > _NOTES for length, _ in notes):
            raise OverflowError(f"a process noted more than {_NOTES:,} numbers; measure for a shorter time")
        return [each[_HEAD : _HEAD + length].tolist() for length, each in notes]

    def notes(self) -> list[int]:
        """The notes of all."""
        return [note for each in self.each() for note in each]

    def _each(self) -> list[memoryview]:
        for name in os.listdir(self._folder):
            if name.startswith("tally-") and name not in self._known:
                self._known[name] = _mapped(os.open(os.path.join(self._folder, name), os.O_RDWR))
        return list(self._known.values())
