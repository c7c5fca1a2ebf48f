"""The soft time limit: an exception raised in the task by the kernel's timer."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from pyqueue.worker.awaited import Awaited


class SoftLimit:
    """Raises SoftTimeLimitExceeded in its block after ``limit_us``; None is no limit. For the main thread."""

    def __init__(self, limit_us: int | None) -> None:
        self._limit_us = limit_us
        self._armed = False
        self._awaited: Awaited | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in an event loop; the exception is raised in it, also where it waits."""
        from pyqueue.worker.awaited import Awaited  # noqa: PLC0415  it loads asyncio

        awaited = Awaited(coroutine)
        self._awaited = awaited
        try:
            return awaited.run()
        finally:
            self._awaited = None

    def __enter__(self) -> SoftLimit:
        if self._limit_us is not None:
            signal.signal(signal.SIGALRM, self._expire)
            self._armed = True
            # A timer of zero would be none at all.
            signal.setitimer(signal.ITIMER_REAL, max(self._limit_us, 1) / 1e6)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._limit_us is not None:
            # Disarmed before the timer is: a signal already on its way must not raise outside of the block.
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _expire(self, _number: int, frame: FrameType | None) -> None:
        if self._armed and self._limit_us is not None:
            self._armed = False
            error = SoftTimeLimitExceeded(
                f"the task has run for its soft time limit of {self._limit_us / 1e6:g} s"
            )
            if self._awaited is None or not self._awaited.interrupt(error, frame):
                raise error
