"""What one attempt has logged: the last lines of it, however much it was."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

MAX_LINES: Final = 1_000
MAX_LINE: Final = 8_192
"""Characters of one message, its traceback included."""
PAUSE: Final = 1.0
"""Seconds between two times that lines of a running attempt are written: most end before the first."""


class Lines:
    """Messages of one attempt, which may come from several threads."""

    __slots__ = ("_lines", "_lock", "_most", "_partial", "_size", "_written", "changed", "dropped")

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._lines: deque[bytes] = deque()
        self._partial = ""
        self._size = 0
        self._lock: Final = threading.Lock()
        self._written = time.monotonic()
        self.changed = False
        self.dropped = 0
        """How many lines were left out before these."""

    def add(self, text: str) -> None:
        """A message, without the end of its line."""
        cut = text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}... ({len(text):,} characters)"
        line = cut.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self._lines.append(line)
            self._size += len(line)
            self.changed = True
            while len(self._lines) > MAX_LINES or self._size > self._most:
                gone = self._lines.popleft()
                self._size -= len(gone)
                self.dropped += gone.count(b"\n")

    def print(self, text: str) -> None:
        """A piece of what was printed, which may begin and end within a line."""
        *whole, self._partial = (self._partial + text).split("\n")
        for each in whole:
            self.add(each)
        if len(self._partial) > MAX_LINE:
            self.add(self._partial)
            self._partial = ""

    def due(self) -> bool:
        """Whether it is time to write those of a running attempt."""
        return time.monotonic() - self._written >= PAUSE

    def kept(self) -> tuple[int, bytes]:
        """How many lines were left out, and the lines."""
        with self._lock:
            self._written = time.monotonic()
            self.changed = False
            return self.dropped, b"".join(self._lines)

    def ended(self) -> tuple[int, bytes]:
        """The same once nothing more will come."""
        if self._partial:
            self.add(self._partial)
            self._partial = ""
        return self.kept()
