"""The job that is being run: what ``self.request`` and ``current_task`` show.

The one piece of ambient state, since the user's function needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple


class Context(NamedTuple):
    """One attempt, seen from inside the task."""

    id: str | None = None
    task: str | None = None
    args: list[Any] | tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None
    retries: int = 0
    """Attempts that ended in a retry."""
    attempt: int = 1
    """From 1; losses count."""
    queue: str | None = None
    priority: int = 0
    hostname: str | None = None
    """The worker's name."""
    timelimit: tuple[float | None, float | None] = (None, None)
    """Hard and soft limit in seconds."""
    is_eager: bool = False
    called_directly: bool = True
    """Whether the function was simply called, with no job behind it."""

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Celery's form of queue and priority."""
        return {"routing_key": self.queue, "priority": self.priority}


_DIRECT = Context()
_running: ContextVar[tuple[Any, Context] | None] = ContextVar("pyqueue_running", default=None)
_loading: ContextVar[str | None] = ContextVar("pyqueue_loading", default=None)


def current() -> Context:
    """The request of the running job; an empty one outside of a job."""
    running = _running.get()
    return running[1] if running is not None else _DIRECT


@contextmanager
def running(task: object, request: Context) -> Iterator[None]:
    """Makes ``task`` and ``request`` the current ones."""
    mark = _running.set((task, request))
    try:
        yield
    finally:
        _running.reset(mark)


@contextmanager
def loading(target: str) -> Iterator[None]:
    """Marks that a worker is importing the user's module."""
    mark = _loading.set(target)
    try:
        yield
    finally:
        _loading.reset(mark)


def being_loaded() -> str | None:
    """What is being imported for a worker just now."""
    return _loading.get()


class CurrentTask:
    """Stands for the task that is running; false outside of one."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return _running.get() is not None

    def __getattr__(self, name: str) -> Any:
        running = _running.get()
        if running is None:
            raise AttributeError(f"no task is running here, so current_task has no {name!r}")
        return getattr(running[0], name)


current_task = CurrentTask()
