"""What the processes of a round were told, kept outside of the database."""

from __future__ import annotations

import mmap
from pathlib import Path

SLOTS, SLOT = 4096, 64


class Notes:
    """A mapped file: a note outlives a SIGKILL, costs no call, and a forked child writes to the same pages.

    Slot 0 says stop. Every other one belongs to one writer: its last acknowledged number and that job's id, how
    often it has forked, and whether it has come to its end.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(SLOTS * SLOT)
            self._map = mmap.mmap(file.fileno(), SLOTS * SLOT)
        self._numbers = memoryview(self._map).cast("Q")

    @property
    def stop(self) -> bool:
        return self._numbers[0] != 0

    def end(self) -> None:
        self._numbers[0] = 1

    def last(self, slot: int) -> int:
        return self._numbers[slot * SLOT // 8]

    def acknowledged(self, slot: int, n: int, id: str | None = None) -> None:
        self._numbers[slot * SLOT // 8] = n
        if id is not None:
            self._map[slot * SLOT + 8 : slot * SLOT + 44] = id.encode()

    def id(self, slot: int) -> str:
        return self._map[slot * SLOT + 8 : slot * SLOT + 44].rstrip(b"\0").decode()

    def forked(self, slot: int) -> int:
        return self._numbers[slot * SLOT // 8 + 6]

    def forks(self, slot: int) -> None:
        self._numbers[slot * SLOT // 8 + 6] += 1

    def done(self, slot: int) -> bool:
        return self._numbers[slot * SLOT // 8 + 7] != 0

    def ends(self, slot: int) -> None:
        self._numbers[slot * SLOT // 8 + 7] = 1
