"""A function that can be called later, elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    NoReturn,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from pyqueue import request
from pyqueue.arguments import stub_of
from pyqueue.asked import Asked
from pyqueue.attempt import Attempt, attempt, invoke
from pyqueue.composing import Composing
from pyqueue.eager import EagerResult
from pyqueue.exceptions import ImproperlyConfigured, InvalidJob, MaxRetriesExceededError, Retry
from pyqueue.hooks import Overridable
from pyqueue.middleware import Middleware
from pyqueue.naming import task_name
from pyqueue.options import TaskOptions, call_defaults, said, task_options
from pyqueue.signature import Sender, Signature
from pyqueue.states import RETRY
from pyqueue.telling import Telling

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime, timedelta
    from typing import Unpack

    from pyqueue.check import Check
    from pyqueue.foreign.using import OnCommit, Using
    from pyqueue.options import CallOptionsDict
    from pyqueue.result import AsyncResult as Handle
    from pyqueue.transaction import Transaction

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
Answer = TypeVar("Answer", bound="Check | Coroutine[Any, Any, Check]")
C = TypeVar("C")

_GENERATORS: Final = 0x20 | 0x200
_SHOWN: Final = tuple(name for name in TaskOptions._fields if name not in ("name", "bind", "base"))


class TaskSender(Sender, Protocol):
    """What a task needs of its app."""

    @property
    def middleware(self) -> Sequence[Middleware]: ...


class Local(Attempt):
    """A call that runs where it is made, with no job behind it."""

    __slots__ = ()

    def called(self) -> Any:
        """Calls the function."""
        return invoke(self.task, self.context.args, self.context.kwargs)

    def keep(self, value: Any) -> None:
        """Nothing: nobody reads it elsewhere."""

    def rewrite(self, anew: Signature[Any]) -> Signature[Any]:
        """The call itself."""
        return anew


class Task(Overridable, Telling, Asked, Composing[R], Generic[P, R]):
    """A registered function with its options. Calling it runs it here and now; ``delay`` makes a job of it.

    A subclass given as ``base=`` may override the hooks and ``__call__``; its attributes named like options are
    their defaults. Each task is one instance of it for the life of its process. Every option is an attribute.
    """

    def __init__(self, function: Callable[..., R], options: TaskOptions, sender: TaskSender) -> None:
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _GENERATORS:
            raise ImproperlyConfigured(
                f"{function.__qualname__} is a generator, and nobody would iterate over it; "
                f"a task is a plain or an async function"
            )
        functools.update_wrapper(self, function)
        self.name = options.name or task_name(function)
        self.options = options
        self.defaults = call_defaults(options)
        self.run: Callable[..., R] = MethodType(function, self) if options.bind else function
        self.source = (
            f"{function.__qualname__} in {code.co_filename if code is not None else function.__module__}"
        )
        self._stub = None if options.typing is False else stub_of(function)
        self.given = frozenset[str]()
        """The options that were written down, here or in the base class; the others follow the app's settings."""
        self.asked_back: Callable[..., Any] | None = None
        """The function that ``check_back`` has registered."""
        self._sender = sender
        for name in _SHOWN:
            if not isinstance(getattr(type(self), name, None), property):
                setattr(self, name, getattr(options, name))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.run(*args, **kwargs)

    def call_local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the function here and now, as calling the task does."""
        return self(*args, **kwargs)

    @property
    def app(self) -> Any:
        """The app it is registered with."""
        return self._sender

    def AsyncResult(self, task_id: str) -> Handle[R]:
        """The handle of a job by its id."""
        return cast("Handle[R]", self.app.AsyncResult(task_id))

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Makes a job of the call."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Handle[R]:
        """Makes a job of the call, with options: countdown, eta, expires, queue, priority, dedup_key, task_id…

        Raises TypeError for arguments that the function doesn't take (unless ``typing`` is False), EncodeError
        for those that are no JSON, InvalidJob for options out of range.
        """
        signature: Signature[R] = Signature(self.name, args or (), kwargs, options)
        return cast("Handle[R]", self._sender.send(signature))

    def using(self, connection: Any) -> Using[P, R]:
        """The task, with jobs stored by ``connection`` in its transaction: ``add.using(connection).delay(2, 3)``.

        See ``PyQueue.using``.
        """
        from pyqueue.foreign.using import Using  # noqa: PLC0415  most apps never send so

        return Using(self, connection)

    def on_commit(self, where: Any = "default") -> OnCommit[P, R]:
        """The task, with jobs made after the commit of ``where``, and not as part of it: a crash in between loses them.

        ``where`` is a SQLAlchemy session or an alias of Django's. Raises CannotJoin for anything else.
        """
        from pyqueue.foreign.after_commit import registrar  # noqa: PLC0415
        from pyqueue.foreign.using import OnCommit  # noqa: PLC0415

        return OnCommit(self, registrar(where))

    def delay_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Makes a job of the call after the commit of Django's transaction: ``on_commit().delay(…)``."""
        self.on_commit().delay(*args, **kwargs)

    def apply_async_on_commit(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> None:
        """As ``delay_on_commit``, with options."""
        self.on_commit().apply_async(args, kwargs, **options)

    def apply(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        throw: bool = False,
        task_id: str | None = None,
        retries: int = 0,
        headers: Mapping[str, Any] | None = None,
        **_options: Any,
    ) -> EagerResult[R]:
        """Runs the task here and now, as a worker would; what it raises is in the result (with ``throw``: raised).

        Retries follow at once, without their delays.
        """
        import uuid  # noqa: PLC0415

        call = Signature[R](self.name, args or (), kwargs)
        id = task_id or str(uuid.uuid4())
        for each in range(retries, 2**63):
            context = request.Context(
                id,
                self.name,
                list(call.args),
                dict(call.kwargs),
                each,
                each + 1,
                root_id=id,
                headers=dict(headers or {}),
                is_eager=True,
                called_directly=False,
            )
            ended = attempt(Local(self, context), self._sender.middleware)
            if ended.state != RETRY:
                break
            call = ended.kept or call
        error = ended.error
        if error is not None and (throw or not isinstance(error, Exception)):
            raise error
        return EagerResult(id, ended.value, error)

    def refuse_misfit(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises the TypeError of a call with arguments that the function doesn't take."""
        if self._stub is not None:
            if self.options.bind:
                self._stub(self, *args, **kwargs)
            else:
                self._stub(*args, **kwargs)

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...
    @overload
    def s(self: Task[Concatenate[Any, Q], R], *args: Q.args, **kwargs: Q.kwargs) -> Signature[R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Signature[Any]:
        """The call as a value, not made yet; within a workflow without its first argument, which the step before gives."""
        return Signature(self.name, args, kwargs, sender=self._sender)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """As ``s``, taking nothing from the step before it."""
        return Signature(self.name, args, kwargs, immutable=True, sender=self._sender)

    def signature(
        self,
        args: Sequence[Any] | None = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Signature[R]:
        """As ``s``, with options."""
        return Signature(self.name, args or (), kwargs, options, sender=self._sender)

    def check_back(self, function: Callable[P, Answer]) -> Callable[P, Answer]:
        """Registers the function that says what became of the sender of a half message: ``@task.check_back``.

        It takes the task's arguments (with ``bind``, without the task), looks whether the sender's work was done, and
        returns a ``Check``. Any worker may ask it, again and again: it belongs beside the task and keeps nothing.
        """
        code = getattr(function, "__code__", None)
        if not callable(function) or (code is not None and code.co_flags & _GENERATORS):
            raise ImproperlyConfigured(f"a check-back is a plain or an async function, not {function!r:.80}")
        if self.asked_back is not None:
            raise ImproperlyConfigured(f"{self.name} has a check-back already")
        self.asked_back = function
        return function

    def retry(  # noqa: PLR0917  Celery's
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | timedelta | None = None,
        max_retries: int | None = None,
        queue: str | None = None,
    ) -> Retry:
        """Ends the attempt and asks for another after ``countdown`` seconds (or ``default_retry_delay``) or at ``eta``.

        Raises Retry (returns it with ``throw`` False); when no retry is left, ``exc`` or
        MaxRetriesExceededError; when the function was simply called, ``exc``. ``args`` and ``kwargs`` are what the
        next attempt is called with, each in place of the job's own; its id stays. With ``queue`` it goes on in that
        queue, with its priority, unless its ``dedup_key`` is taken there. Raises InvalidJob for what is no name of one.
        """
        if queue is not None and not (
            isinstance(queue, str) and queue.isprintable() and 0 < len(queue) < 256
        ):
            raise InvalidJob(f"a queue is a name of 1 to 255 printable characters, not {queue!r:.80}")
        context = self.request
        if context.called_directly:
            self._give_up(exc, "there is no job to retry: the function was simply called")
        limit = self.options.max_retries if max_retries is None else max_retries
        if limit is not None and context.retries >= limit:
            self._give_up(exc, f"{self.name} has used its {limit} retries (job {context.id})")
        when = self.options.default_retry_delay if countdown is None else countdown
        anew: Signature[Any] | None = None
        if args is not None or kwargs is not None:
            anew = Signature(
                self.name,
                context.args if args is None else args,
                context.kwargs if kwargs is None else kwargs,
            )
        retry = Retry(exc=exc, when=when if eta is None else eta, sig=anew, queue=queue)
        if throw:
            raise retry from exc
        return retry

    @staticmethod
    def _give_up(exc: BaseException | None, why: str) -> NoReturn:
        if exc is not None:
            raise exc
        raise MaxRetriesExceededError(why)

    @overload
    def transaction(self, *, budget: float = 1.0) -> Transaction[sqlite3.Connection]: ...
    @overload
    def transaction(self, connection: C, *, budget: float = 1.0) -> Transaction[C]: ...
    def transaction(self, connection: Any = None, *, budget: float = 1.0) -> Transaction[Any]:
        """For a ``with`` block: the rows written through its connection, the jobs made in it, the result and the job's
        end are committed together, or none of them. It holds the file's write lock.

        ``connection`` is the app's own to the queue's file (see ``PyQueue.using``); None is one of ``sqlite3`` that the
        worker keeps. After ``budget`` seconds a warning in the log says who is inside, and where. Raises TransactionError
        outside of a job and for what would end it early, LeaseLost where the job is not this attempt's any more, DiskFull,
        CannotJoin.
        """
        block: Transaction[Any] = request.attempt_of(self).transaction(connection, budget)
        return block

    def succeed(self, value: Any) -> None:
        """Makes ``value`` the result of the job that the open ``transaction()`` ends; else it is None."""
        request.attempt_of(self).open_transaction().value = value

    @property
    def db(self) -> Any:
        """The connection of the open ``transaction()``."""
        return request.attempt_of(self).open_transaction().connection

    @property
    def request(self) -> request.Context:
        """The running attempt, or an empty one."""
        return request.of(self)

    def __repr__(self) -> str:
        return f"<Task: {self.name}>"


if TYPE_CHECKING:

    class CoroutineTask(Task[P, R]):
        """To type checkers, a task of an ``async def``: a call of it is awaited, its job has the awaited value."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...  # type: ignore[override]
        def call_local(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...  # type: ignore[override]

    class Decorator(Protocol):
        """What ``@app.task(…)`` gives."""

        @overload
        def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...

    class BoundDecorator(Protocol):
        """What ``@app.task(bind=True, …)`` gives."""

        @overload
        def __call__(
            self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
        ) -> CoroutineTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...


def make_task(function: Callable[..., R], given: Mapping[str, Any], sender: TaskSender) -> Task[..., R]:
    """The task of ``@app.task(**given)``."""
    base: Any = given.get("base") or Task
    if not (isinstance(base, type) and issubclass(base, Task)):
        raise TypeError(f"base must be a subclass of pyqueue.Task, not {base!r}")
    own: dict[str, Any] = {}
    for cls in reversed(base.__mro__):
        if cls is not Task and issubclass(cls, Task):
            own |= {name: value for name, value in vars(cls).items() if name in _SHOWN}
    own = {name: value for name, value in own.items() if not isinstance(value, property)}
    task: Task[..., R] = base(function, task_options({**own, **given}), sender)
    task.given = frozenset(said({**own, **given}))
    return task
