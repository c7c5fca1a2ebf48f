"""What an ``async def`` task returns, run in an event loop of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

_running: Final[dict[int, tuple[AbstractEventLoop, Task[Any]]]] = {}
"""By thread."""


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs it here and returns its value."""
    # Here and not above: asyncio takes longer to import than the rest of a child that has no coroutine.
    import asyncio  # noqa: PLC0415

    async def noted() -> Any:
        task = asyncio.current_task()
        assert task is not None
        _running[thread] = asyncio.get_running_loop(), task
        try:
            return await coroutine
        finally:
            del _running[thread]

    thread = threading.get_ident()
    return asyncio.run(noted())


def cancel(thread: int) -> bool:
    """Cancels the coroutine that another thread runs; False if it runs none."""
    running = _running.get(thread)
    if running is None:
        return False
    loop, task = running
    # It may have ended, and its loop be closed, since we looked.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(task.cancel)
    return True
