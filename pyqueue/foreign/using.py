"""Calls of a task that become jobs together with a transaction of the application's, or after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue.options import CallOptionsDict
    from pyqueue.result import AsyncResult
    from pyqueue.task import Task

P = ParamSpec("P")
R = TypeVar("R")


class Using(Generic[P, R]):
    """A task whose calls are stored by a connection of the application's, in its transaction."""

    __slots__ = ("_connection", "_task")

    def __init__(self, task: Task[P, R], connection: Any) -> None:
        self._task = task
        self._connection = connection

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Makes a job of the call; it is there if the transaction commits."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> AsyncResult[R]:
        """As ``Task.apply_async``. Raises CannotJoin where the connection can't do it, and what its library raises."""
        with self._task.app.using(self._connection):
            return self._task.apply_async(args, kwargs, **options)

    def __repr__(self) -> str:
        return f"<{self._task!r} using {self._connection!r}>"


class OnCommit(Generic[P, R]):
    """A task whose calls are made once a transaction of the application's has been committed, and not as part of it."""

    __slots__ = ("_register", "_task")

    def __init__(self, task: Task[P, R], register: Callable[[Callable[[], object]], None]) -> None:
        self._task = task
        self._register = register

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Makes a job of the call after the commit. A process that dies in between makes none."""
        self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> None:
        """As ``delay``, with options. There is no id before the commit, unless the call gives a ``task_id``."""
        task = self._task
        # After the commit it would be too late for anything but a lost job.
        task.app.refuse_misfit(task.signature(args, kwargs))
        self._register(lambda: task.apply_async(args, kwargs, **options))
