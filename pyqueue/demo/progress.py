"""How far it is: a bar on a terminal, else one line per 5 seconds."""

from __future__ import annotations

import os
import time
from typing import Final, TextIO

_LINE_EVERY: Final = 5.0
_BAR_EVERY: Final = 0.1
_WIDTH: Final = 30


class Progress:
    """Shows ``done`` of ``total`` with rate and time left; text in between goes through ``say``."""

    def __init__(self, total: int, unit: str, out: TextIO) -> None:
        self._total = total
        self._unit = unit
        self._out = out
        self._bar = out.isatty()
        self._start = self._shown = time.monotonic()
        self._done = 0

    def update(self, done: int) -> None:
        """Draws the bar ten times a second at most, or prints a line each 5 seconds."""
        self._done = done
        now = time.monotonic()
        if now - self._shown >= (_BAR_EVERY if self._bar else _LINE_EVERY):
            self._shown = now
            self._show(now)

    def say(self, text: str) -> None:
        """Prints a line of its own."""
        if self._bar:
            self._out.write("\r\x1b[K")
        self._out.write(f"{text}\n")
        self._out.flush()

    def finish(self) -> None:
        """Shows the last state and leaves the line."""
        self._show(time.monotonic())
        if self._bar:
            self._out.write("\n")
            self._out.flush()

    def _show(self, now: float) -> None:
        text = line(self._done, self._total, now - self._start, self._unit)
        if self._bar:
            try:
                columns = os.get_terminal_size(self._out.fileno()).columns
            except OSError:
                columns = 80
            self._out.write("\r\x1b[K" + f"{bar(self._done, self._total)} {text}"[: columns - 1])
        else:
            self._out.write(f"{text}\n")
        self._out.flush()


def bar(done: int, total: int) -> str:
    """``[######----]``."""
    filled = _WIDTH if total == 0 else _WIDTH * done // total
    return f"[{'#' * filled}{'-' * (_WIDTH - filled)}]"


def line(done: int, total: int, seconds: float, unit: str) -> str:
    """Share, counts, rate, and the time left at that rate."""
    share = 100 if total == 0 else 100 * done // total
    rate = done / seconds if seconds > 0 else 0.0
    left = f"ETA {clock((total - done) / rate)}" if rate > 0 else "ETA ?"
    return f"{share:3d}%  {done:,}/{total:,} {unit}  {rate:,.0f} {unit}/s  {left}"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
