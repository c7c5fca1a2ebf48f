"""What became of a job: state, result, exception, attempts."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from pyqueue import request, signals, states, waiting
from pyqueue.exceptions import (
    ImproperlyConfigured,
    InvalidJob,
    QueueError,
    TaskRevokedError,
    TimeoutError,
    UnknownJob,
    WorkerLostError,
)
from pyqueue.moments import length_us
from pyqueue.naming import loaded_class
from pyqueue.rebuilding import rebuilt
from pyqueue.related import Related
from pyqueue.serialization import decode_children, decode_result

if TYPE_CHECKING:
    from asyncio import Future

    from pyqueue._core import Attempt, JobView, Store
    from pyqueue.app import PyQueue

R = TypeVar("R")
D = TypeVar("D")


class Raised(Enum):
    """Stands for no default."""

    RAISED = "what went wrong is raised"


RAISED: Final = Raised.RAISED

_UNFINISHED = frozenset({"waiting", "delayed", "parked", "prepared", "held", "running", "retrying"})
_LONELY_US = 1_000_000


class AsyncResult(Related, Generic[R]):
    """The handle of one job, by its id. ``parent`` is that of the step before, where it was sent as part of a chain.

    ``app.AsyncResult(id)`` makes one of an id. ``created`` is False where a job with the same dedup key was there
    already, None for an id that was looked up. Raises ImproperlyConfigured where neither store nor app is given.
    """

    __slots__ = ("_store", "created", "id", "parent")

    def __init__(
        self,
        id: str,
        store: Store | None = None,
        created: bool | None = None,
        parent: Any = None,
        *,
        app: PyQueue | None = None,
    ) -> None:
        if store is None:
            if app is None:
                raise ImproperlyConfigured(
                    "AsyncResult(id) does not know in which file to look: use app.AsyncResult(id), or pass app="
                )
            store = app.store
        self.id = id
        self.created = created
        self.parent = parent
        self._store: Store = store

    @property
    def task_id(self) -> str:
        """The id, as in Celery."""
        return self.id

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        disable_sync_subtasks: bool = True,
        interval: float | None = None,  # noqa: ARG002  Celery's; nothing is polled
        default: D | Raised = RAISED,
    ) -> R | D:
        """Waits up to ``timeout`` seconds for the result and returns it.

        Raises the task's exception (``TaskFailed`` where its class is not loaded here), ``TaskRevokedError``,
        ``WorkerLostError``, ``CorruptPayload``, ``UnknownJob`` at once, and ``TimeoutError``. With ``propagate`` False the task's
        exception is returned instead. Inside a task it warns where the job is of the task's own file: jobs that wait for
        each other and hold all slots never end; ``disable_sync_subtasks=False`` says that it can't be so. With ``default``
        nothing of this is raised: where there is no result in time, that is returned.
        """
        self._warn_of_deadlock(disable_sync_subtasks)
        if default is not RAISED:
            return cast("R | D", self._get_or(timeout, default))
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

    def _get_or(self, timeout: float | None, default: Any) -> Any:
        view = self._wait(timeout)
        try:
            return _value(view) if view.state == "success" else default
        except QueueError:
            return default

    def wait(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        interval: float | None = None,  # noqa: ARG002  as in ``get``
    ) -> R:
        """The same as ``get``."""
        return self.get(timeout, propagate)

    @property
    def state(self) -> str:
        """PENDING, STARTED, RETRY, SUCCESS, FAILURE, REVOKED or UNKNOWN; while it runs, what ``update_state`` said."""
        view = self._store.view(self.id)
        if view.state == "running" and view.progress is not None:
            return view.progress[0]
        return states.shown(view.state)

    status = state

    @property
    def result(self) -> Any:
        """The result, the exception of a job that failed or waits for a retry, the meta of ``update_state``, or None."""
        view = self._store.view(self.id)
        if view.state == "running":
            return None if view.progress is None else decode_result(view.progress[1])
        if view.state == "success":
            return _value(view)
        if view.failure is not None or view.state in ("failed", "dead", "cancelled", "expired"):
            return _exception(self.id, view)
        return None

    info = result

    @property
    def children(self) -> list[AsyncResult[Any]] | None:
        """The jobs its task made, the first thousand, once it has succeeded with a result that is kept; else None."""
        view = self._store.view(self.id)
        if view.state != "success" or view.body is None:
            return None
        return [AsyncResult(id, self._store) for id in decode_children(view.body, view.content_type)]

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
        return self._shown() in states.READY_STATES

    def successful(self) -> bool:
        """Whether it has ended with a result."""
        return self._shown() == states.SUCCESS

    def failed(self) -> bool:
        """Whether it has ended with an error."""
        return self._shown() == states.FAILURE

    def _shown(self) -> str:
        return states.shown(self._store.view(self.id).state)

    def attempts(self) -> list[Attempt]:
        """The ended attempts, oldest first."""
        return self._store.attempts(self.id)

    def log(self) -> list[str]:
        """The lines that its attempts have logged, oldest first, as far as they are kept; secrets are not masked.

        A running attempt's are there within about a second. Of all jobs together the newest 64 MiB are kept.
        """
        lines: list[str] = []
        for _, _, text in self._store.logs(self.id):
            lines += text.decode("utf-8", "backslashreplace").splitlines()
        return lines

    def revoke(
        self,
        *,
        terminate: bool = False,
        signal: str | int = "SIGTERM",
        grace: float = 5.0,
        wait: bool | float = False,
    ) -> bool:
        """Cancels the job; False when it is too late. One that runs is ended only with ``terminate``.

        Then ``self.is_aborted()`` is true in the task and Terminated is raised in it; after ``grace`` seconds its process
        gets ``signal``, and after as many again it is killed ("SIGKILL" kills at once). Unless it succeeds meanwhile the job is
        cancelled, whatever becomes of its worker. With ``wait`` (True, or seconds) it is waited for, and False says
        that the job has ended otherwise. Raises TimeoutError if the time is over first, ValueError for an unknown signal.
        """
        number = states.signal_number(signal)
        grace_us = length_us(grace, "grace")
        if terminate:
            asked = self._store.revoke(self.id, number, grace_us)
        else:
            asked = "cancelled" if self._store.cancel(self.id) else "late"
        if asked == "late":
            return False
        if signals.task_revoked:
            told = request.Context(self.id, called_directly=False)
            running = asked == "asked"
            signum = number if running else None
            signals.task_revoked.send(None, request=told, terminated=running, signum=signum, expired=False)
        if asked == "cancelled" or wait is False:
            return True
        view = self._store.wait(self.id, None if wait is True else length_us(wait, "wait"))
        if view.state in _UNFINISHED:
            raise TimeoutError(self._unfinished(view.state, wait))
        return view.state == "cancelled"

    def forget(self) -> bool:
        """Drops the history and the result of a job that has ended; False if it has not."""
        return self._store.forget(self.id)

    def replay(self) -> AsyncResult[R]:
        """Stores the job once more, as a new one with its arguments and options, if it failed or is dead.

        Raises InvalidJob for any other, and where its arguments are not kept any more.
        """
        new = self._store.replay(self.id)
        if new is None:
            from pyqueue.replaying import refusal  # noqa: PLC0415

            raise InvalidJob(f"job {refusal(self.id, self._store.view(self.id).state)}")
        return AsyncResult(new, self._store)

    def __await__(self) -> Generator[Any, None, R]:
        """``await result`` is ``result.get()`` that lets the event loop go on meanwhile."""
        self._warn_of_deadlock(True)
        yield from self._future().__await__()
        return self.get(timeout=0)

    def _future(self) -> Future[None]:
        import asyncio  # noqa: PLC0415

        return waiting.future_of(self._store, self.id, asyncio.get_running_loop())

    def _wait(self, timeout: float | None) -> JobView:
        if timeout is not None:
            return self._store.wait(self.id, length_us(timeout, "a timeout"))
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

    def _warn_of_deadlock(self, disable_sync_subtasks: bool) -> None:
        target = request.being_loaded()
        if target is not None:
            raise RuntimeError(
                f"{target} waits for a result while a worker is loading it: "
                f"put that code under  if __name__ == '__main__':"
            )
        running = request.here()
        if not disable_sync_subtasks or running is None or running.context.is_eager:
            return
        if not running.context.called_directly and running.task.app.store.path == self._store.path:
            warnings.warn(
                f"{running.task.name} waits for job {self.id} in its own slot: if all slots wait so, none is left to run "
                f"it, and none of them ever ends. Let the rest be a step of its own (chain, chord, self.replace), give "
                f"get() a timeout, or pass disable_sync_subtasks=False if another worker runs it",
                RuntimeWarning,
                stacklevel=4,
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"


def _value(view: JobView) -> Any:
    if view.failure is not None:
        raise rebuilt(view.failure)
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
