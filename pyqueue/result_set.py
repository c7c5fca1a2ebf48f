"""The handles of several jobs, and waiting for all of them."""

from __future__ import annotations

import builtins
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pyqueue import waiting
from pyqueue.exceptions import TimeoutError
from pyqueue.result import AsyncResult

if TYPE_CHECKING:
    from pyqueue.group_result import GroupResult

R = TypeVar("R")


class ResultSet(Sequence[AsyncResult[R]], Generic[R]):
    """The handles of several jobs, in the order of the calls."""

    def __init__(self, results: Iterable[AsyncResult[R]] = ()) -> None:
        self._results: list[Any] = results if isinstance(results, list) else list(results)

    @property
    def results(self) -> list[AsyncResult[R]]:
        """The handles. That of a member which is a chain with a group at its end is a GroupResult."""
        return self._results

    def add(self, result: AsyncResult[R]) -> None:
        """Adds one, unless it is there."""
        if result not in self.results:
            self.results.append(result)

    def update(self, results: Iterable[AsyncResult[R]]) -> None:
        """Adds several."""
        self.results.extend(results)

    def remove(self, result: AsyncResult[R] | str) -> None:
        """Lets go of one, by its handle or its id. Raises KeyError if it isn't there."""
        id = result if isinstance(result, str) else result.id
        kept = [each for each in self.results if each.id != id]
        if len(kept) == len(self.results):
            raise KeyError(id)
        self.results[:] = kept

    discard = remove

    def clear(self) -> None:
        """Lets go of all."""
        self.results.clear()

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        callback: Callable[[str, R], object] | None = None,
        interval: float | None = None,  # noqa: ARG002  Celery's; nothing is polled
        disable_sync_subtasks: bool = True,
    ) -> list[R]:
        """The results in order, waiting ``timeout`` seconds in all. Raises what ``AsyncResult.get`` raises.

        ``callback`` is called with id and result of each instead, and the list is empty.
        """
        end = None if timeout is None else time.monotonic() + timeout
        values = []
        for each in self._streamed():
            left = None if end is None else max(0.0, end - time.monotonic())
            value: Any = (
                each.get(left, propagate, disable_sync_subtasks=disable_sync_subtasks)
                if isinstance(each, (AsyncResult, ResultSet))
                else each.get(left, propagate)
            )
            if callback is None:
                values.append(value)
            else:
                callback(each.id, value)
        return values

    join = join_native = get

    def _streamed(self) -> Iterator[Any]:
        return iter(self.results)

    def as_completed(self, timeout: float | None = None) -> Iterator[AsyncResult[R]]:
        """Each as it ends. Raises TimeoutError after ``timeout`` seconds in all."""
        awaited = [waiting.Awaited(each._store, each.id, each) for each in flat(self.results)]
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

    def iterate(self, timeout: float | None = None, propagate: bool = True) -> Iterator[R]:
        """The result of each as it ends."""
        for each in self.as_completed(timeout):
            yield each.get(propagate=propagate)

    async def __aiter__(self) -> AsyncIterator[AsyncResult[R]]:
        """``async for``: each as it ends."""
        import asyncio  # noqa: PLC0415

        ended: asyncio.Queue[AsyncResult[R]] = asyncio.Queue()
        futures = []
        for each in flat(self.results):
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

    def revoke(self, **options: Any) -> None:
        """Cancels those that are not running; with ``terminate=True`` ends those that are."""
        for each in self.results:
            each.revoke(**options)

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

    def maybe_throw(self, propagate: bool = True) -> None:
        """Raises the error of the first that has failed so far."""
        for each in self.results:
            if each.failed():
                each.get(propagate=propagate)

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
        return f"<{type(self).__name__}: {len(self.results)} jobs>"


def flat(results: Iterable[AsyncResult[R] | GroupResult[R]]) -> list[AsyncResult[R]]:
    """The handles of jobs, with those in groups."""
    found: list[AsyncResult[R]] = []
    stack: list[Iterator[Any]] = [iter(results)]
    while stack:
        each = next(stack[-1], None)
        if each is None:
            stack.pop()
        elif isinstance(each, ResultSet):
            stack.append(iter(each.results))
        else:
            found.append(each)
    return found
