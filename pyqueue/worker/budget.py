"""Tells of a block that is open for longer than it may be, while it still is."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import Final, Protocol

from pyqueue.worker.on_demand import OnDemand


class Timed(Protocol):
    """A block with a budget."""

    def over_budget(self) -> None:
        """It is open for longer than its budget; called once, in another thread."""


class Budgets:
    """One thread for all blocks of a process, started by the first of them.

    A block that ends in time costs no switch to it (0.1 ms): while blocks come and go it wakes once in the shortest
    budget, and an end that is due later than that need not be told to it.
    """

    def __init__(self) -> None:
        self._ends: Final[dict[Timed, float]] = {}
        self._wakes = inf
        self._shortest = inf
        self._busy = False
        self._bell: Final = threading.Event()
        self._thread: Final = OnDemand("pyqueue-budget", self._run)

    def begin(self, block: Timed, seconds: float) -> None:
        """The block is open from now on."""
        end = time.monotonic() + seconds
        self._ends[block] = end
        self._busy = True
        self._shortest = min(self._shortest, seconds)
        if end < self._wakes:
            self._thread.start()
            self._bell.set()

    def end(self, block: Timed) -> None:
        """The block is closed."""
        self._ends.pop(block, None)

    def _run(self) -> None:
        while True:
            self._bell.clear()
            # First: who begins between the look and the sleep rings.
            self._wakes = inf
            busy, self._busy = self._busy, False
            now = time.monotonic()
            for block, end in list(self._ends.items()):
                if end <= now and self._ends.pop(block, None) is not None:
                    block.over_budget()
            self._wakes = min([*self._ends.values(), now + self._shortest if busy else inf])
            self._bell.wait(None if self._wakes == inf else max(0.0, self._wakes - now))


BUDGETS: Final = Budgets()
