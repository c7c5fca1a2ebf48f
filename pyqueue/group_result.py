"""The handles of several jobs, and waiting for all of them."""

from __future__ import annotations

import builtins
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from typing import Any, TypeVar, overload

from pyqueue import waiting
from pyqueue.exceptions import TimeoutError
from pyqueue.result import AsyncResult

R = TypeVar("R")


class GroupResult(Sequence[AsyncResult[R]]):
    """The handles of several jobs, in the order of the calls."""

    def __init__(self, results: list[AsyncResult[R]]) -> None:
        self.results = results

    def get(self, timeout: float | None = None, propagate: bool = True) -> list[R]:
        """The results in order, waiting ``timeout`` seconds in all. Raises what ``AsyncResult.get`` raises."""
        end = None if timeout is None else time.monotonic() + timeout
        return [
            each.get(None if end is None else max(0.0, end - time.monotonic()), propagate)
            for each in self.results
        ]

    join = join_native = get

    def as_completed(self, timeout: float | None = None) -> Iterator[AsyncResult[R]]:
        """Each as it ends. Raises TimeoutError after ``timeout`` seconds in all."""
        awaited = [waiting.Awaited(each._store, each.id, each) for each in self.results]
        try:
            for one in waiting.as_completed(awaited, timeout):
                yield one.mark
        except builtins.TimeoutError as late:
            raise TimeoutError(str(late)) from None

    def iter_native(self, timeout: float | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each as it ends: its id, and Celery's dictionary of status, result and traceback."""
        for each in self.as_completed(timeout):
            yield (
                each.id,
                {
                    "task_id": each.id,
                    "status": each.state,
                    "result": each.result,
                    "traceback": each.traceback,
                },
            )

    async def __aiter__(self) -> AsyncIterator[AsyncResult[R]]:
        """``async for``: each as it ends."""
        import asyncio  # noqa: PLC0415

        ended: asyncio.Queue[AsyncResult[R]] = asyncio.Queue()
        futures = []
        for each in self.results:
            future = each._future()
            future.add_done_callback(lambda _, each=each: ended.put_nowait(each))  # type: ignore[misc]
            futures.append(future)
        try:
            for _ in futures:
                yield await ended.get()
        finally:
            # Left early: nobody waits for the rest.
            for future in futures:
                future.cancel()

    def __await__(self) -> Generator[Any, None, list[R]]:
        """``await group`` is ``group.get()`` that lets the event loop go on meanwhile."""
        results = []
        for each in self.results:
            results.append((yield from each.__await__()))
        return results

    def forget(self) -> None:
        """Drops what is kept of those that have ended."""
        for each in self.results:
            each.forget()

    def revoke(self) -> None:
        """Cancels those that are not running."""
        for each in self.results:
            each.revoke()

    def waiting(self) -> bool:
        """Whether one has not ended."""
        return not self.ready()

    def ready(self) -> bool:
        """Whether all have ended."""
        return all(each.ready() for each in self.results)

    def successful(self) -> bool:
        """Whether all have ended with a result."""
        return all(each.successful() for each in self.results)

    def failed(self) -> bool:
        """Whether one has ended with an error."""
        return any(each.failed() for each in self.results)

    def completed_count(self) -> int:
        """How many have ended with a result."""
        return sum(each.successful() for each in self.results)

    @overload
    def __getitem__(self, index: int) -> AsyncResult[R]: ...
    @overload
    def __getitem__(self, index: slice) -> list[AsyncResult[R]]: ...
    def __getitem__(self, index: int | slice) -> AsyncResult[R] | list[AsyncResult[R]]:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[AsyncResult[R]]:
        return iter(self.results)

    def __repr__(self) -> str:
        return f"<GroupResult: {len(self.results)} jobs>"
