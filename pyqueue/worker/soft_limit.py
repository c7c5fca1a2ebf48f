"""The soft time limit: an exception raised in the task by the kernel's timer."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from pyqueue.exceptions import SoftTimeLimitExceeded


class SoftLimit:
    """Raises SoftTimeLimitExceeded in its block after ``limit_us``; None is no limit. For the main thread."""

    def __init__(self, limit_us: int | None) -> None:
        self._limit_us = limit_us
        self._armed = False

    def __enter__(self) -> None:
        if self._limit_us is not None:
            signal.signal(signal.SIGALRM, self._expire)
            self._armed = True
            # A timer of zero would be none at all.
            signal.setitimer(signal.ITIMER_REAL, max(self._limit_us, 1) / 1e6)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._limit_us is not None:
            # Disarmed before the timer is: a signal already on its way must not raise outside of the block.
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _expire(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed and self._limit_us is not None:
            self._armed = False
            raise SoftTimeLimitExceeded(
                f"the task has run for its soft time limit of {self._limit_us / 1e6:g} s"
            )
