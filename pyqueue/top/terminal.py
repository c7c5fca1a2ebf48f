"""The terminal: draws frames and takes keys. It sleeps until a key comes, something happens, or a second has passed."""

from __future__ import annotations

import curses
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Events
from pyqueue.exceptions import QueueError
from pyqueue.top.acting import pressed
from pyqueue.top.reading import Reading
from pyqueue.top.screen import Line, lines
from pyqueue.top.state import Frame, View, rows_of

if TYPE_CHECKING:
    from pyqueue._core import Store

LEAST: Final = 0.2
"""Seconds between two frames, whatever happens."""
MOST: Final = 1.0
_LEASE_US: Final = 120_000_000
_RENEWED: Final = 30.0
_KEYS: Final = {curses.KEY_UP: "up", curses.KEY_DOWN: "down"}


def show(store: Store) -> None:
    """Until the user has enough."""
    # A press of Escape is no key here: nobody need wait for what may follow it.
    os.environ.setdefault("ESCDELAY", "25")
    curses.setupterm()
    if curses.tigetstr("cup") is None:
        raise curses.error("it can't put text where it is told")
    curses.wrapper(lambda screen: _Loop(store, screen).run())


class _Loop:
    def __init__(self, store: Store, screen: Any) -> None:
        self._store, self._screen = store, screen
        self._reading, self._view, self._frame = Reading(store), View(), Frame("", "")
        self._styles = _styles()
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)

    def run(self) -> None:
        with suppress(curses.error):
            curses.curs_set(0)
        self._screen.nodelay(True)
        threading.Thread(target=self._listen, name="pyqueue-top", daemon=True).start()
        with _resized(self._wake):
            while True:
                begun = time.monotonic()
                self._look()
                if not self._rest(begun):
                    return

    def _look(self) -> None:
        chosen = self._view.selected
        queue = chosen[1] if chosen is not None and chosen[0] == "queue" else None
        try:
            self._frame = self._reading.read(queue, self._view.waiting)
        except QueueError as error:
            self._view = self._view._replace(says=str(error))
        self._draw()

    def _rest(self, begun: float) -> bool:
        """Until the next frame; keys are answered at once. False: enough."""
        while (left := begun + MOST - time.monotonic()) > 0:
            ready, _, _ = select.select([0, self._woken], [], [], left)
            if 0 in ready and not os.isatty(0):
                # The terminal is gone: it can be read at any time, and has no keys.
                return False
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._fit()
                time.sleep(max(0.0, begun + LEAST - time.monotonic()))
                return self._keys()
            if ready and not self._keys():
                return False
        return True

    def _keys(self) -> bool:
        while (code := self._screen.getch()) != -1:
            key = _KEYS.get(code) or (chr(code) if 0 <= code < 256 else "")
            rows = rows_of(self._frame, self._view)
            try:
                view = pressed(self._store, self._view, rows, key)
            except QueueError as error:
                view = self._view._replace(asks=None, says=str(error))
            if view is None:
                return False
            if view != self._view:
                self._view = view
                self._draw()
                self._wake()
        return True

    def _draw(self) -> None:
        height, width = self._screen.getmaxyx()
        self._screen.erase()
        for at, line in enumerate(lines(self._frame, self._view, width, height)):
            self._put(at, line, width)
        self._screen.refresh()

    def _put(self, at: int, line: Line, width: int) -> None:
        text = line.text.ljust(width) if line.style == "selected" else line.text
        # The last cell of a screen can't be written without scrolling it.
        with suppress(curses.error):
            self._screen.addnstr(at, 0, text, width, self._styles.get(line.style, curses.A_NORMAL))

    def _fit(self) -> None:
        size = os.get_terminal_size(1)
        if (size.lines, size.columns) != self._screen.getmaxyx():
            curses.resizeterm(size.lines, size.columns)

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._wakes, b"!")

    def _listen(self) -> None:
        """Wakes the loop when something ends, as long as the process lives."""
        events, due = Events(self._store), 0.0
        while True:
            try:
                if time.monotonic() >= due:
                    events.follow(self._store.now_us() + _LEASE_US, False)
                    due = time.monotonic() + _RENEWED
                rung = events.rung()
                events.wait(rung, round(MOST * 1e6))
                if events.rung() != rung:
                    self._wake()
                    # Another ring meanwhile would be for a frame that is drawn anyway.
                    time.sleep(LEAST)
            except QueueError:
                time.sleep(MOST)


@contextmanager
def _resized(wake: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: wake())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _styles() -> dict[str, int]:
    styles = {
        "title": curses.A_BOLD,
        "dim": curses.A_DIM,
        "selected": curses.A_REVERSE,
        "bad": curses.A_BOLD,
    }
    if not os.environ.get("NO_COLOR") and curses.has_colors():
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_RED, -1)
        styles["bad"] = curses.color_pair(1)
    return styles
