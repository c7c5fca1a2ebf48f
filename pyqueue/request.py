"""The job that is being run: what ``self.request`` and ``current_task`` show.

The one piece of ambient state, since the user's function needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from pyqueue.exceptions import TransactionError


class Context(NamedTuple):
    """One attempt, seen from inside the task."""

    id: str | None = None
    task: str | None = None
    args: list[Any] = []  # noqa: RUF012  never changed: a job's context has a list of its own
    kwargs: dict[str, Any] = {}  # noqa: RUF012
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
    root_id: str | None = None
    """The job that all this began with."""
    parent_id: str | None = None
    """The job that made this one."""
    headers: dict[str, Any] | None = None
    eta: str | None = None
    """ISO 8601, as the call gave it."""
    expires: str | None = None
    callbacks: list[dict[str, Any]] | None = None
    """``link`` as dictionaries."""
    errbacks: list[dict[str, Any]] | None = None
    ignore_result: bool = False
    report: Callable[[str, Any], None] | None = None
    """Writes a state of the running job: what ``update_state`` calls."""
    children: list[str] | None = None
    """Ids of the jobs it has made, the first thousand."""
    group: str | None = None
    """The id of the group it is a member of."""
    waiting: str | None = None
    """The task that waits for that group."""

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Celery's form of queue and priority."""
        return {
            "exchange": "",
            "routing_key": self.queue,
            "priority": self.priority,
            "redelivered": self.attempt > self.retries + 1,
        }

    @property
    def correlation_id(self) -> str | None:
        """The id, as in Celery."""
        return self.id

    @property
    def reply_to(self) -> None:
        """None: results are in the file."""

    @property
    def origin(self) -> None:
        """None: the file does not keep who made the call."""

    @property
    def chord(self) -> dict[str, Any] | None:
        """Who waits for the group, by its task alone; what it is called with is in the file."""
        return None if self.waiting is None else {"task": self.waiting}

    @property
    def chain(self) -> None:
        """None: what follows waits in the file, and no message carries it."""


_MAX_CHILDREN: Final = 1_000

_DIRECT: Final = Context()


class Running:
    """What runs here. Its context is made when somebody asks for it: most tasks never do, and it has 22 fields."""

    __slots__ = ("_context", "children", "task")

    def __init__(self, task: Any, context: Context | None = None) -> None:
        self.task = task
        self.children: list[str] | None = None if context is None else context.children
        self._context = context

    @property
    def context(self) -> Context:
        """What the task sees as its request."""
        if self._context is None:
            self._context = self.described()
        return self._context

    def described(self) -> Context:
        """The context, made anew."""
        raise NotImplementedError

    def progress(self, meta: dict[str, Any]) -> None:
        """How far it is, to be shown; nobody would see it where no job is behind the call."""

    def logged(self, text: str) -> None:
        """Keeps a line; there is nobody to look for it where no job is behind the call."""

    def printed(self, text: str) -> None:
        """Keeps a piece of what was printed."""

    def told(self) -> tuple[bool, bool]:
        """Whether its job was revoked, and whether it should come to its end."""
        return False, False

    def replaced(self, signature: Any) -> Any:
        """The end of ``self.replace()``: where no job could go on as something else, its result."""
        return signature.apply().get()

    def added(self, signature: Any) -> Any:
        """Adds a member to the group that the job is in."""
        raise ValueError(
            f"{self.task.name} is no member of a chord here, so {signature!r} can't be added to one"
        )

    def step(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        """What a step returns; nobody would try it again where no job is behind the call."""
        return function(*args, **kwargs)

    def transaction(self, connection: Any, budget: float) -> Any:  # noqa: ARG002
        """The block of ``self.transaction()``."""
        raise _no_transaction(self.task)

    def open_transaction(self) -> Any:
        """The open one."""
        raise _no_transaction(self.task)


def _no_transaction(task: Any) -> TransactionError:
    return TransactionError(
        f"{task.name} has no job of its own here that a transaction could end: it was called directly or by apply(); "
        f"make a job of it with delay()"
    )


_running: ContextVar[Running | None] = ContextVar("pyqueue_running", default=None)
begin: Final = _running.set
"""Makes something what runs here; ``end`` takes the mark it returns."""
end: Final = _running.reset
_loading: ContextVar[str | None] = ContextVar("pyqueue_loading", default=None)


def of(task: object) -> Context:
    """The request of the running job if ``task`` is what it runs: one task may simply call another."""
    running = _running.get()
    return running.context if running is not None and running.task is task else _DIRECT


def attempt_of(task: object) -> Running:
    """What runs here if it is ``task``, else something that can do nothing."""
    running = _running.get()
    return running if running is not None and running.task is task else Running(task, _DIRECT)


def here() -> Running | None:
    """What runs here."""
    return _running.get()


def current() -> Context:
    """The request of the running job; an empty one outside of a job."""
    running = _running.get()
    return running.context if running is not None else _DIRECT


def outside() -> bool:
    """Whether no job runs here and no worker is loading the app."""
    return _running.get() is None and _loading.get() is None


def following(id: str) -> Context:
    """The request of the job ``id``, made here, as the jobs that follow it see it."""
    outer = current()
    return Context(id, root_id=outer.root_id or id, is_eager=outer.is_eager, called_directly=False)


def made(ids: list[str]) -> None:
    """Notes jobs as children of the running one."""
    running = _running.get()
    if running is not None and running.children is not None:
        running.children.extend(ids[: _MAX_CHILDREN - len(running.children)])


@contextmanager
def running(task: object, request: Context) -> Iterator[None]:
    """Makes ``task`` and ``request`` the current ones."""
    mark = begin(Running(task, request))
    try:
        yield
    finally:
        end(mark)


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
        return getattr(running.task, name)


current_task = CurrentTask()
