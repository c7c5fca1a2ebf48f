"""Writes what running attempts say of themselves, so that they need not wait for the file."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from pyqueue.worker.on_demand import OnDemand

TICK: Final = 0.2
"""Seconds for which something said may wait."""


class Reported(Protocol):
    """An attempt that has something to say."""

    def report(self) -> bool:
        """Writes it; called in the reporter's thread. False where it must be tried again."""


class Reporter:
    """One thread for all attempts of a process, started by the first that says something.

    An attempt that is over before its turn costs no switch to it: the thread wakes once a tick while there is
    something to write, else not at all.
    """

    def __init__(self) -> None:
        self._due: dict[Reported, None] = {}
        self._awake = False
        self._bell: Final = threading.Event()
        self._thread: Final = OnDemand("pyqueue-reporter", self._run)

    def tell(self, attempt: Reported) -> None:
        """It has something new to say."""
        self._due[attempt] = None
        if not self._awake:
            self._thread.start()
            self._bell.set()

    def end(self, attempt: Reported) -> None:
        """It is over; nothing of it is waited for."""
        self._due.pop(attempt, None)

    def _run(self) -> None:
        while True:
            self._bell.clear()
            # First: who comes between the look and the sleep rings.
            self._awake = False
            if not self._due:
                self._bell.wait()
            self._awake = True
            time.sleep(TICK)
            due, self._due = self._due, {}
            for attempt in due:
                if not attempt.report():
                    self._due[attempt] = None


REPORTER: Final = Reporter()
