"""A coroutine that an exception can be raised in from outside, where it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import FrameType
from typing import Any, Final


class Awaited:
    """Runs a coroutine in an event loop of its own."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None
        self._error: BaseException | None = None
        self.late: BaseException | None = None
        """What was to be raised in it, as long as it was not: for what runs next, once this one has ended."""

    def run(self) -> Any:
        """What the coroutine returns."""
        return asyncio.run(self.main())

    def interrupt(self, error: BaseException, frame: FrameType | None) -> bool:
        """Lets ``error`` be raised where the coroutine waits; for a signal's handler, which has met ``frame``.

        False where the handler must raise it itself: the coroutine's own code is computing at this moment. Never in
        the loop's code, which would lose what it was about to do and wait for ever.
        """
        task = self._task
        if task is not None and not task.done():
            if asyncio.current_task(task.get_loop()) is task and not _in_the_loop(frame):
                return False
            self.late = error
            task.get_loop().call_soon_threadsafe(self._cancel, error)
            return True
        if task is None:
            self._error = error
        self.late = error
        return True

    def _cancel(self, error: BaseException) -> None:
        # Only here, in the loop: a cancellation of the coroutine's own that comes before it is its own.
        assert self._task is not None
        if self._task.cancel():
            self._error = error

    async def main(self) -> Any:
        """What the coroutine returns, for the task of a loop that runs others beside it."""
        self._task = asyncio.current_task()
        return await self

    def __await__(self) -> Generator[Any, None, Any]:
        thrown, self._error = self._error, None
        while True:
            if thrown is self.late:
                self.late = None
            try:
                waits_for = self._coroutine.send(None) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as ended:
                return ended.value
            thrown = None
            try:
                yield waits_for
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  it is the coroutine's
                thrown = error
            if self._error is not None:
                # Also if what it waited for has swallowed the cancellation.
                thrown = self._instead()

    def _instead(self) -> BaseException | None:
        assert self._task is not None
        self._task.uncancel()
        error, self._error = self._error, None
        return error


def _in_the_loop(frame: FrameType | None) -> bool:
    """Whether code of asyncio, or ours around it, runs between here and the coroutine's own."""
    if frame is None or frame.f_code is _AROUND:
        return True
    while frame is not None and frame.f_code is not _AROUND:
        if frame.f_globals.get("__name__", "").startswith(_NOT_TO_BE_BROKEN):
            return True
        frame = frame.f_back
    return frame is None


_AROUND: Final = Awaited.__await__.__code__
_NOT_TO_BE_BROKEN: Final = ("asyncio", "selectors", "weakref", "_weakrefset", __name__)
"""Modules of the loop, and of callbacks out of which Python lets no exception come."""
