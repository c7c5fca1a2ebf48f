"""Waiting for several jobs at once: which of them have ended, for a loop and for asyncio.

The core watches them all and is woken by the end of any.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue._core import Watch

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from pyqueue._core import Store

_FOR_EVER_US: Final = 3_600_000_000
_LOOK_US: Final = 100_000
"""How often the thread asks whether anybody still waits."""
_TURN_US: Final = 20_000


class Awaited(NamedTuple):
    """A job that somebody waits for. ``mark`` is theirs."""

    store: Store
    id: str
    mark: Any


class _Several:
    """Many awaited jobs, in one file or more. One thread waits; any may add."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._awaited: dict[tuple[Store, str], list[Awaited]] = {}
        self._watches: dict[Store, Watch] = {}

    def __len__(self) -> int:
        return sum(map(len, self._awaited.values()))

    def add(self, each: Awaited) -> None:
        """With the lock held, so that no job is told of before it is known to whom."""
        watch = self._watches.get(each.store)
        if watch is None:
            watch = self._watches[each.store] = Watch(each.store)
        watch.add(each.id)
        self._awaited.setdefault((each.store, each.id), []).append(each)

    def keep(self, wanted: Callable[[Awaited], bool]) -> None:
        """With the lock held: lets go of those that nobody wants any more."""
        for (store, id), several in list(self._awaited.items()):
            several[:] = [each for each in several if wanted(each)]
            if not several:
                del self._awaited[store, id]
                self._watches[store].discard(id)

    def wait(self, longest_us: int) -> Iterator[tuple[Awaited, Exception | None]]:
        """Those that have ended, and those whose file can't be read with the error; none once the time is over."""
        with self.lock:
            watches = list(self._watches.items())
        for store, watch in watches:
            # Several files have their turns.
            time_us = longest_us if len(watches) == 1 else min(longest_us, _TURN_US)
            try:
                told, error = watch.wait(time_us), None
            except Exception as raised:  # noqa: BLE001  whoever waits must hear it
                told, error = [id for of, id in list(self._awaited) if of is store], raised
            for id in told:
                with self.lock:
                    several = self._awaited.pop((store, id), [])
                    if error is not None:
                        watch.discard(id)
                for each in several:
                    yield each, error


def as_completed(awaited: Sequence[Awaited], timeout: float | None) -> Iterator[Awaited]:
    """Each as it ends. Raises TimeoutError (the built-in one) when the time is over."""
    end = None if timeout is None else time.monotonic() + timeout
    several = _Several()
    for each in awaited:
        several.add(each)
    while len(several):
        left_us = _FOR_EVER_US if end is None else max(0, round((end - time.monotonic()) * 1e6))
        ended = False
        for each, error in several.wait(left_us):
            ended = True
            if error is not None:
                raise error
            yield each
        if left_us == 0 and not ended:
            raise TimeoutError(f"{len(several)} of {len(awaited)} jobs have not ended")


class _Thread:
    """The one thread of this process that waits for asyncio. Lives while somebody waits."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._several = _Several()
        self._runs = False

    def add(self, awaited: Awaited) -> None:
        with self._several.lock:
            self._several.add(awaited)
            if not self._runs:
                self._runs = True
                # No daemon: it would be torn down inside the core when the interpreter ends.
                threading.Thread(target=self._run, name="pyqueue-await", daemon=False).start()

    def _run(self) -> None:
        idle = True
        while True:
            if idle:
                with self._several.lock:
                    self._several.keep(_is_wanted)
                    if not len(self._several):
                        self._runs = False
                        return
            idle = True
            for each, error in self._several.wait(_LOOK_US):
                idle = False
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
