"""The app: one queue file, its tasks, and everything that sends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from pyqueue import publishing, request, signals
from pyqueue._core import NewJob, Store
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.group_result import GroupResult
from pyqueue.message import new_job
from pyqueue.middleware import Middleware
from pyqueue.options import CallOptions, merge, task_options
from pyqueue.registry import Registry
from pyqueue.result import AsyncResult
from pyqueue.serialization import MAX_BODY
from pyqueue.signature import Signature
from pyqueue.task import Task, make_task

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue.options import CallOptionsDict, TaskOptionsDict

P = ParamSpec("P")
R = TypeVar("R")

_DEFAULTS = CallOptions()


class PyQueue:
    """A task queue in one SQLite file. Makes no file before the first job.

    ``path`` is taken against the current directory; without it the file is ``$PYQUEUE_DB``. ``embed`` allows a
    file that holds the application's own tables. ``durability`` is "full" (an acknowledged job survives power
    loss) or "normal" (it survives the death of any process). ``visibility_timeout`` is how many seconds a
    worker that has stopped answering keeps its jobs. ``max_body`` limits the bytes of a call and of a result.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        embed: bool = False,
        durability: Literal["full", "normal"] = "full",
        visibility_timeout: float = 30.0,
        max_body: int = MAX_BODY,
    ) -> None:
        if durability not in ("full", "normal"):
            raise ImproperlyConfigured(f"durability is 'full' or 'normal', not {durability!r}")
        if visibility_timeout <= 0:
            raise ImproperlyConfigured(f"visibility_timeout must be above 0, not {visibility_timeout}")
        self.embed = embed
        self.durability = durability
        self.visibility_timeout = visibility_timeout
        self.max_body = max_body
        self.tasks = Registry()
        self.middleware: list[Middleware] = []
        self._path = _absolute(path)
        self._store: Store | None = None

    @property
    def path(self) -> str:
        """The queue file. Raises ImproperlyConfigured where none was named."""
        if self._path is None:
            self._path = _absolute(os.environ.get("PYQUEUE_DB") or None)
        if self._path is None:
            raise ImproperlyConfigured("no queue file is named: use PyQueue('jobs.db') or set PYQUEUE_DB")
        return self._path

    @property
    def has_path(self) -> bool:
        """Whether a queue file is named, here or in the environment."""
        return self._path is not None or bool(os.environ.get("PYQUEUE_DB"))

    def use(self, path: str | os.PathLike[str]) -> None:
        """Names the queue file. Raises ImproperlyConfigured once another one is in use."""
        if self._store is not None and _absolute(path) != self._path:
            raise ImproperlyConfigured(f"{self._path} is in use already")
        self._path = _absolute(path)

    @property
    def store(self) -> Store:
        """The core's view of the file."""
        if self._store is None:
            self._store = Store(
                self.path, embed=self.embed, durability=self.durability, max_body=self.max_body
            )
        return self._store

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, /, *, bind: Literal[True], **options: Unpack[TaskOptionsDict]
    ) -> Callable[[Callable[Concatenate[Any, P], R]], Task[P, R]]: ...
    @overload
    def task(
        self, /, *, bind: Literal[False] = False, **options: Unpack[TaskOptionsDict]
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Makes a task of a function: ``@app.task`` or ``@app.task(bind=True, max_retries=5, …)``."""
        task_options(options)

        def register(function: Callable[..., R]) -> Task[..., R]:
            task = make_task(function, options, self)
            self.tasks.add(task)
            return task

        return register if function is None else register(function)

    def send(self, signature: Signature[R]) -> AsyncResult[R]:
        """Makes the job of a signature."""
        id, created = self.store.enqueue([self.job_of(signature)])[0]
        if signals.after_task_publish:
            publishing.after(signature, id)
        return AsyncResult(id, self.store, created)

    def enqueue_many(self, signatures: Iterable[Signature[R]]) -> list[AsyncResult[R]]:
        """Makes a job of each signature, all or none, in one transaction; their results in order."""
        several = list(signatures)
        if not several:
            return []
        ends = self.store.enqueue([self.job_of(each) for each in several])
        if signals.after_task_publish:
            for signature, (id, _) in zip(several, ends, strict=True):
                publishing.after(signature, id)
        return [AsyncResult(id, self.store, created) for id, created in ends]

    def send_group(self, signatures: Iterable[Signature[R]]) -> GroupResult[R]:
        """As ``enqueue_many``, with one handle for all."""
        return GroupResult(self.enqueue_many(signatures))

    def send_task(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> AsyncResult[Any]:
        """Makes a job of a task by its name; the task need not be known here."""
        return self.send(Signature(name, args, kwargs, options))

    def signature(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Signature[Any]:
        """A call of a task by its name, not made yet."""
        return Signature(name, args, kwargs, options, sender=self)

    def AsyncResult(self, id: str) -> AsyncResult[Any]:
        """The handle of a job by its id."""
        return AsyncResult(id, self.store)

    def job_of(self, signature: Signature[Any]) -> NewJob:
        """The job of a signature, not stored yet."""
        target = request.being_loaded()
        if target is not None:
            raise RuntimeError(
                f"{target} makes a job while a worker is loading it, as every child would: "
                f"put that code under  if __name__ == '__main__':"
            )
        task = self.tasks.get_task(signature.task)
        options = merge(task.defaults if task is not None else _DEFAULTS, signature.options)
        if signals.before_task_publish:
            publishing.before(signature, options)
        return new_job(signature, options, self.store.now_us, self.max_body)

    def __repr__(self) -> str:
        return f"<PyQueue: {self._path or 'no file yet'}>"


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.fspath(path))
