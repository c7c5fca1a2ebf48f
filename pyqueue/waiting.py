"""Waiting for several jobs at once: which of them have ended, for a loop and for asyncio.

The core waits for one job: it wakes in microseconds when that one ends. The others are looked at in between, after
waits that grow up to ``_LONGEST_US`` while nothing ends.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue.states import READY_STATES, UNKNOWN, shown

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from pyqueue._core import Store

_SHORTEST_US: Final = 1_000
_LONGEST_US: Final = 50_000
_FOR_EVER_US: Final = 3_600_000_000
_AT_ONCE: Final = 64
"""Jobs looked at between two waits: 0.5 ms of work, however many there are."""


class Awaited(NamedTuple):
    """A job that somebody waits for. ``mark`` is theirs."""

    store: Store
    id: str
    mark: Any


class _Watch:
    """Many awaited jobs, and which of them have ended."""

    def __init__(self) -> None:
        self.pending: list[Awaited] = []
        self._slice_us = _SHORTEST_US
        self._in_vain = 0

    def step(self, longest_us: int) -> list[tuple[Awaited, Exception | None]]:
        """Looks at some, waits a little, takes out those that have ended; for each the error that looking at it raised."""
        looked_at = self.pending[:_AT_ONCE]
        ended = _ended(looked_at)
        self._in_vain = 0 if ended else self._in_vain + len(looked_at)
        # Not before all have been looked at.
        if self._in_vain >= len(self.pending):
            first = looked_at[0]
            first.store.wait(first.id, min(self._slice_us, longest_us))
            ended = _ended(looked_at)
            self._in_vain = 0
            self._slice_us = min(2 * self._slice_us, self._longest_us())
        gone = {id(each) for each, _ in ended}
        # Those looked at go to the end, so that each has its turn.
        self.pending = [
            *self.pending[len(looked_at) :],
            *(each for each in looked_at if id(each) not in gone),
        ]
        if ended:
            self._slice_us = _SHORTEST_US
        return ended

    def _longest_us(self) -> int:
        # Looking at a thousand jobs takes about 10 ms, which is to be a fifth of the time at most.
        return _LONGEST_US * (1 + len(self.pending) // 1_000)


def _ended(several: Sequence[Awaited]) -> list[tuple[Awaited, Exception | None]]:
    ended: list[tuple[Awaited, Exception | None]] = []
    for each in several:
        try:
            state = shown(each.store.view(each.id).state)
        except Exception as error:  # noqa: BLE001  whoever waits must hear it
            ended.append((each, error))
        else:
            if state in READY_STATES or state == UNKNOWN:
                ended.append((each, None))
    return ended


def as_completed(awaited: Sequence[Awaited], timeout: float | None) -> Iterator[Awaited]:
    """Each as it ends. Raises TimeoutError (the built-in one) when the time is over."""
    end = None if timeout is None else time.monotonic() + timeout
    watch = _Watch()
    watch.pending = list(awaited)
    while watch.pending:
        left_us = _FOR_EVER_US if end is None else round((end - time.monotonic()) * 1e6)
        for each, error in watch.step(max(0, left_us)):
            if error is not None:
                raise error
            yield each
        if left_us <= 0 and watch.pending:
            raise TimeoutError(f"{len(watch.pending)} of {len(awaited)} jobs have not ended")


class _Thread:
    """The one thread of this process that waits for asyncio. Lives while somebody waits."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._new: list[Awaited] = []
        self._runs = False

    def add(self, awaited: Awaited) -> None:
        with self._lock:
            self._new.append(awaited)
            if not self._runs:
                self._runs = True
                # No daemon: it would be torn down inside the core when the interpreter ends.
                threading.Thread(target=self._run, name="pyqueue-await", daemon=False).start()

    def _run(self) -> None:
        watch = _Watch()
        while True:
            with self._lock:
                watch.pending += self._new
                self._new = []
                watch.pending = [each for each in watch.pending if _is_wanted(each)]
                if not watch.pending:
                    self._runs = False
                    return
            for each, error in watch.step(_LONGEST_US):
                _tell(each, error)


def _is_wanted(each: Awaited) -> bool:
    loop, future = each.mark
    return not (future.done() or loop.is_closed()) and threading.main_thread().is_alive()


def _tell(each: Awaited, error: Exception | None) -> None:
    loop, future = each.mark
    try:
        loop.call_soon_threadsafe(_settle, future, error)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _settle(future: Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(None)


_thread: _Thread | None = None


def future_of(store: Store, id: str, loop: AbstractEventLoop) -> Future[None]:
    """A future of the running loop that is done when the job has ended."""
    global _thread  # noqa: PLW0603  one in each process, and none is inherited by a fork
    if _thread is None or _thread.pid != os.getpid():
        _thread = _Thread()
    future: Future[None] = loop.create_future()
    _thread.add(Awaited(store, id, (loop, future)))
    return future
