"""``@shared_task``: a task of every app there is or will be, written where no app is at hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.options import task_options
from pyqueue.signature import NEWEST
from pyqueue.task import Task, make_task

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue.options import TaskOptionsDict
    from pyqueue.task import BoundDecorator, CoroutineTask, Decorator, TaskSender

P = ParamSpec("P")
R = TypeVar("R")

declared: list[tuple[Task[Any, Any], frozenset[str]]] = []
"""Every shared task, with the names of the options it was given; each app's registry takes them from here."""


def adopts(app: TaskSender) -> None:
    """From now on shared tasks send through ``app``: the newest one, or the one a worker runs."""
    NEWEST[:] = [app]


class Adopter:
    """Whichever app sends for shared tasks when it comes to it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not NEWEST:
            raise ImproperlyConfigured(
                "a @shared_task has no app to send through yet: make one first, "
                "such as app = Celery('proj', broker='sqlite:///jobs.db'), in a module that is imported before"
            )
        return getattr(NEWEST[0], name)


_ADOPTER = cast("TaskSender", Adopter())


@overload
def shared_task(function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...
@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(*, bind: Literal[True], **options: Unpack[TaskOptionsDict]) -> BoundDecorator: ...
@overload
def shared_task(*, bind: Literal[False] = False, **options: Unpack[TaskOptionsDict]) -> Decorator: ...
def shared_task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a task of a function, for every app; sent through the newest app, or the one a worker runs."""
    task_options(options)

    def declare(function: Callable[..., R]) -> Task[..., R]:
        task = make_task(function, options, _ADOPTER)
        declared.append((task, task.given))
        return task

    return declare if function is None else declare(function)
