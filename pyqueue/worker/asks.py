"""What the supervisor asks of the jobs that run in this process: to end, since they were revoked, or to come to an end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyqueue import request
from pyqueue.exceptions import Terminated
from pyqueue.worker.soft_limit import SoftLimit, raise_in

if TYPE_CHECKING:
    from pyqueue._core import ChildPipe, Job


class OnLoop(Protocol):
    """A job whose coroutine runs on the loop of the main thread."""

    @property
    def job(self) -> Job: ...

    def interrupt(self, error: BaseException, frame: FrameType | None) -> bool:
        """As ``Awaited.interrupt``."""


class Noted:
    """A job that runs in a thread beside others, and the block around its function."""

    __slots__ = ("block", "job")

    def __init__(self, job: Job) -> None:
        self.job: Final = job
        self.block: SoftLimit | None = None

    def interrupt(self, thread: int) -> None:
        """Raises Terminated in its function at the next step of Python code, in its coroutine where that waits."""
        awaited = None if self.block is None else self.block.awaited
        if awaited is None:
            raise_in(thread, Terminated)
            return
        # The loop may have ended, and be closed, since we looked.
        with suppress(RuntimeError):
            awaited.interrupt(_terminated(self.job), None)


BY_THREAD: Final[dict[int, Noted]] = {}
"""What runs in which thread, where several do."""
ON_LOOP: Final[set[OnLoop]] = set()

_pipe: ChildPipe | None = None
_around: Final[set[CodeType]] = set()


def listen(pipe: ChildPipe, around: CodeType) -> None:
    """From here on a revoked job is interrupted, while the code ``around`` its function is on the stack."""
    global _pipe  # noqa: PLW0603
    _pipe = pipe
    _around.add(around)
    signal.signal(signal.SIGUSR2, _interrupt)


def told(job: Job) -> tuple[bool, bool]:
    """Whether it was revoked, and whether it should come to its end. In a forked copy of this process nothing is told."""
    return (False, False) if _pipe is None else _pipe.told(job)


@contextmanager
def noted(job: Job) -> Iterator[None]:
    """The job runs in this thread, beside others."""
    thread = threading.get_ident()
    BY_THREAD[thread] = Noted(job)
    try:
        yield
    finally:
        BY_THREAD.pop(thread, None)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    for thread, noted_job in list(BY_THREAD.items()):
        if told(noted_job.job)[0] and _is_inside(sys._current_frames().get(thread)):
            noted_job.interrupt(thread)
    for run in list(ON_LOOP):
        error = _error(run.job)
        if error is not None and not run.interrupt(error, frame):
            raise error
    here: Any = request.here()
    job_here: Job | None = getattr(here, "job", None)
    if job_here is not None and here not in ON_LOOP:
        error = _error(job_here)
        # Around it there is code of ours that must not be broken off: it is asked again.
        if error is not None and _is_inside(frame):
            raise error


def _error(job: Job) -> Terminated | None:
    return _terminated(job) if told(job)[0] else None


def _terminated(job: Job) -> Terminated:
    return Terminated(f"job {job.id} is to end: it was revoked, or paused and gives way")


def _is_inside(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code not in _around:
        frame = frame.f_back
    return frame is not None
