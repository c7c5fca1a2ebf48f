"""What became of a job: state, result, exception, attempts."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pyqueue import request, states
from pyqueue.exceptions import (
    TaskRevokedError,
    TimeoutError,
    UnknownJob,
    WorkerLostError,
)
from pyqueue.naming import loaded_class
from pyqueue.rebuilding import rebuilt
from pyqueue.serialization import decode_result

if TYPE_CHECKING:
    from pyqueue._core import Attempt, JobView, Store

R = TypeVar("R")

_UNFINISHED = frozenset({"waiting", "delayed", "parked", "prepared", "running", "retrying"})
_LONELY_US = 1_000_000


class AsyncResult(Generic[R]):
    """The handle of one job, by its id.

    ``created`` is False where a job with the same dedup key was there already, None for an id that was looked up.
    """

    __slots__ = ("_store", "created", "id")

    def __init__(self, id: str, store: Store, created: bool | None = None) -> None:
        self.id = id
        self.created = created
        self._store = store

    def get(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> R:
        """Waits up to ``timeout`` seconds for the result and returns it.

        Raises the task's exception (``TaskFailed`` where its class is not loaded here), ``TaskRevokedError``,
        ``WorkerLostError``, ``UnknownJob`` at once, and ``TimeoutError``. With ``propagate`` False the task's
        exception is returned instead. Inside a task it raises RuntimeError: children that wait for each other
        never end; ``disable_sync_subtasks=False`` allows it.
        """
        self._refuse_deadlock(disable_sync_subtasks)
        view = self._wait(timeout)
        if view.state == "success":
            return _value(view)  # type: ignore[no-any-return]
        if view.state == "unknown":
            raise UnknownJob(f"{self._store.path} holds no job {self.id}")
        if view.state in _UNFINISHED:
            raise TimeoutError(self._unfinished(view.state, timeout))
        error = _exception(self.id, view)
        if propagate:
            raise error
        return error  # type: ignore[return-value]

    def wait(self, timeout: float | None = None, propagate: bool = True) -> R:
        """The same as ``get``."""
        return self.get(timeout, propagate)

    @property
    def state(self) -> str:
        """PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED or UNKNOWN."""
        return states.shown(self._store.view(self.id).state)

    status = state

    @property
    def result(self) -> Any:
        """The result, the exception of a job that failed or waits for a retry, else None."""
        view = self._store.view(self.id)
        if view.state == "success":
            return _value(view)
        if view.failure is not None or view.state in ("failed", "dead", "cancelled", "expired"):
            return _exception(self.id, view)
        return None

    info = result

    @property
    def traceback(self) -> str | None:
        """The worker's text of the traceback."""
        failure = self._store.view(self.id).failure
        return failure.traceback if failure is not None else None

    @property
    def retries(self) -> int:
        """Attempts that ended in a retry."""
        return self._store.view(self.id).retries

    def ready(self) -> bool:
        """Whether it has ended."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        """Whether it has ended with a result."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it has ended with an error."""
        return self.state == states.FAILURE

    def attempts(self) -> list[Attempt]:
        """The ended attempts, oldest first."""
        return self._store.attempts(self.id)

    def revoke(self) -> bool:
        """Cancels the job if it is not running; False when it is too late."""
        return self._store.cancel(self.id)

    def _wait(self, timeout: float | None) -> JobView:
        if timeout is not None:
            return self._store.wait(self.id, max(0, round(timeout * 1e6)))
        view = self._store.wait(self.id, _LONELY_US)
        if view.state not in _UNFINISHED:
            return view
        if not self._attended():
            warnings.warn(f"still waiting for job {self.id}: {self._advice()}", RuntimeWarning, stacklevel=3)
        return self._store.wait(self.id)

    def _attended(self) -> bool:
        return any(worker.alive for worker in self._store.workers())

    def _advice(self) -> str:
        return f"no worker is running on this file; start one with: pyqueue worker --db {self._store.path}"

    def _unfinished(self, state: str, timeout: float | None) -> str:
        text = f"job {self.id} is still {state} after {timeout} s"
        return text if self._attended() else f"{text}; {self._advice()}"

    def _refuse_deadlock(self, disable_sync_subtasks: bool) -> None:
        target = request.being_loaded()
        if target is not None:
            raise RuntimeError(
                f"{target} waits for a result while a worker is loading it: "
                f"put that code under  if __name__ == '__main__':"
            )
        current = request.current()
        if disable_sync_subtasks and not current.called_directly and not current.is_eager:
            raise RuntimeError(
                "get() inside a task can wait for ever, since the other job may need this child; "
                "pass disable_sync_subtasks=False if you know that it can't"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"


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

    join = get

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


def _value(view: JobView) -> Any:
    return None if view.body is None else decode_result(view.body, view.content_type)


def _exception(id: str, view: JobView) -> Exception:
    if view.state in ("cancelled", "expired"):
        how = "was cancelled" if view.state == "cancelled" else "expired before it could start"
        return TaskRevokedError(f"job {id} {how}")
    failure = view.failure
    if failure is None:
        return WorkerLostError(f"job {id} is {view.state}")
    if view.state == "dead" and failure.traceback is None and loaded_class(failure.error) is None:
        return WorkerLostError(f"job {id} is dead: {failure.message or failure.error}")
    return rebuilt(failure)
