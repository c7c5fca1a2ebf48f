"""The soft time limit: an exception raised in the task, by the kernel's timer or by another thread."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Coroutine
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from pyqueue.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from pyqueue.worker.awaited import Awaited


class SoftLimit:
    """Raises SoftTimeLimitExceeded in its block after ``limit_us``; None is no limit.

    In the main thread a signal interrupts whatever it does or waits for. In another thread a function is
    interrupted at its next step of Python code, so not before a call that waits in C has returned, and a coroutine
    where it waits.
    """

    def __init__(self, limit_us: int | None) -> None:
        self.awaited: Awaited | None = None
        self.late: BaseException | None = None
        """What came too late for the coroutine it was for."""
        self._alarm: BySignal | ByThread | None = None
        if limit_us is not None:
            in_main = threading.current_thread() is threading.main_thread()
            self._alarm = BySignal(limit_us, self) if in_main else ByThread(limit_us, self)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in an event loop; the exception is raised in it, also where it waits.

        If it comes too late for one coroutine it is raised in place of the next.
        """
        from pyqueue.worker.awaited import Awaited  # noqa: PLC0415  it loads asyncio

        if self.late is not None:
            coroutine.close()
            raise self.late
        awaited = Awaited(coroutine)
        self.awaited = awaited
        try:
            return awaited.run()
        finally:
            self.awaited = None
            self.late = self.late or awaited.late

    def __enter__(self) -> SoftLimit:
        if self._alarm is not None:
            self._alarm.arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._alarm.disarm(error)


class BySignal:
    """For the main thread."""

    def __init__(self, limit_us: int, block: SoftLimit) -> None:
        self._limit_us: Final = limit_us
        self._block: Final = block
        self._armed = False

    def arm(self) -> None:
        """The time begins."""
        signal.signal(signal.SIGALRM, self._expire)
        self._armed = True
        # A timer of zero would be none at all.
        signal.setitimer(signal.ITIMER_REAL, max(self._limit_us, 1) / 1e6)

    def disarm(self, _error: BaseException | None) -> None:
        """From here on it raises nothing."""
        # Disarmed before the timer is: a signal already on its way must not raise outside of the block.
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _expire(self, _number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            error = SoftTimeLimitExceeded(text_of_soft(self._limit_us))
            awaited = self._block.awaited
            if awaited is None or not awaited.interrupt(error, frame):
                raise error


class ByThread:
    """For the other threads."""

    def __init__(self, limit_us: int, block: SoftLimit) -> None:
        self._limit_us: Final = limit_us
        self._block: Final = block
        self._thread: Final = threading.get_ident()
        self._armed = False
        self._raised = False
        self._lock: Final = threading.Lock()
        self._timer: Final = threading.Timer(limit_us / 1e6, self._expire)
        # A child that has no more jobs must not wait for it.
        self._timer.daemon = True

    def arm(self) -> None:
        """The time begins."""
        # It can't expire before the lock is free: an exception in the middle of starting a thread would leave
        # Python's list of threads wrong.
        with self._lock:
            self._timer.start()
            self._armed = True

    def disarm(self, error: BaseException | None) -> None:
        """From here on it raises nothing; until here it may, and that is still inside of the attempt."""
        with self._lock:
            self._armed = False
        if not self._raised:
            self._timer.cancel()
            return
        # Set and not raised yet: now it never is.
        raise_in(self._thread, None)
        if isinstance(error, SoftTimeLimitExceeded) and not error.args:
            # Python made it from the class alone.
            error.args = (text_of_soft(self._limit_us),)

    def _expire(self) -> None:
        with self._lock:
            if not self._armed:
                return
            self._armed = False
            awaited = self._block.awaited
            if awaited is None:
                self._raised = True
                raise_in(self._thread, SoftTimeLimitExceeded)
                return
            # The loop may have ended, and be closed, since we looked.
            with contextlib.suppress(RuntimeError):
                # Without a frame it is always the loop that raises: from here nobody can tell whose code runs.
                awaited.interrupt(SoftTimeLimitExceeded(text_of_soft(self._limit_us)), None)
            if self._block.awaited is not awaited:
                self._block.late = awaited.late


def raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raises it in another thread at its next step of Python code; None takes that back."""
    import ctypes  # noqa: PLC0415  most children never need it

    raised = ctypes.py_object() if error is None else ctypes.py_object(error)
    # The interpreter's lock is held throughout, so the thread is where it was.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


def text_of_soft(limit_us: int) -> str:
    """What SoftTimeLimitExceeded says."""
    return f"the task has run for its soft time limit of {limit_us / 1e6:g} s"
