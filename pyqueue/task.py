"""A function that can be called later, elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, Protocol, TypeVar, cast

from pyqueue import request
from pyqueue.canvas import Chunks, GroupSender, PendingGroup
from pyqueue.eager import EagerResult
from pyqueue.exceptions import ImproperlyConfigured, MaxRetriesExceededError, Retry
from pyqueue.naming import task_name
from pyqueue.options import TaskOptions, call_defaults
from pyqueue.signature import Sender, Signature

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Unpack

    from pyqueue.options import CallOptionsDict
    from pyqueue.result import AsyncResult

P = ParamSpec("P")
R = TypeVar("R")

_CO_COROUTINE = 0x80


class TaskSender(Sender, GroupSender, Protocol):
    """What a task needs of its app."""


class Task(Generic[P, R]):
    """A registered function with its options. Calling it runs it here and now; ``delay`` makes a job of it."""

    def __init__(self, function: Callable[..., R], options: TaskOptions, sender: TaskSender) -> None:
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _CO_COROUTINE:
            raise ImproperlyConfigured(f"{function.__qualname__} is async; a task is a plain function")
        functools.update_wrapper(self, function)
        self.name = options.name or task_name(function)
        self.options = options
        self.defaults = call_defaults(options)
        self.run = function
        self.source = (
            f"{function.__qualname__} in {code.co_filename if code is not None else function.__module__}"
        )
        self._sender = sender

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.run(self, *args, **kwargs) if self.options.bind else self.run(*args, **kwargs)

    call_local = __call__

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Makes a job of the call."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> AsyncResult[R]:
        """Makes a job of the call, with options: countdown, eta, expires, queue, priority, dedup_key, task_id…

        Raises EncodeError for arguments that are no JSON, InvalidJob for options out of range.
        """
        signature: Signature[R] = Signature(self.name, args, kwargs, options)
        return cast("AsyncResult[R]", self._sender.send(signature))

    def apply(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> EagerResult[R]:
        """Runs the task here and now, once, as a worker would see it; what it raises is in the result."""
        kwargs = dict(kwargs or {})
        context = request.Context(
            "eager", self.name, list(args), kwargs, is_eager=True, called_directly=False
        )
        result: EagerResult[R] = EagerResult()
        with request.running(self, context), result:
            result.returned(
                self.run(self, *args, **kwargs) if self.options.bind else self.run(*args, **kwargs)
            )
        return result

    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """The call as a value, not made yet."""
        return Signature(self.name, args, kwargs, sender=self._sender)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """As ``s``, taking nothing from the step before it."""
        return Signature(self.name, args, kwargs, immutable=True, sender=self._sender)

    def signature(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Signature[R]:
        """As ``s``, with options."""
        return Signature(self.name, args, kwargs, options, sender=self._sender)

    def chunks(self, calls: Iterable[Iterable[Any]], size: int) -> Chunks[R]:
        """One call for each argument list, ``size`` of them to a job."""
        return Chunks(self.name, calls, size, self._sender, {})

    def starmap(self, calls: Iterable[Iterable[Any]]) -> PendingGroup[list[R]]:
        """All calls in one job."""
        every = list(calls)
        return self.chunks(every, max(1, len(every))).delay()

    def retry(
        self,
        exc: BaseException | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        max_retries: int | None = None,
        throw: bool = True,
    ) -> Retry:
        """Ends the attempt and asks for another after ``countdown`` seconds (or ``default_retry_delay``).

        Raises Retry (returns it with ``throw`` False); when no retry is left, ``exc`` or
        MaxRetriesExceededError; when the function was simply called, ``exc``.
        """
        context = self.request
        if context.called_directly:
            self._give_up(exc, "there is no job to retry: the function was simply called")
        limit = self.options.max_retries if max_retries is None else max_retries
        if limit is not None and context.retries >= limit:
            self._give_up(exc, f"{self.name} has used its {limit} retries (job {context.id})")
        if eta is not None:
            countdown = (eta - eta.now(eta.tzinfo)).total_seconds()
        retry = Retry(exc, max(0.0, self.options.default_retry_delay if countdown is None else countdown))
        if throw:
            raise retry from exc
        return retry

    @staticmethod
    def _give_up(exc: BaseException | None, why: str) -> NoReturn:
        if exc is not None:
            raise exc
        raise MaxRetriesExceededError(why)

    @property
    def request(self) -> request.Context:
        """The running attempt, or an empty one."""
        return request.current()

    @property
    def max_retries(self) -> int | None:
        """Retries after errors; None is without end."""
        return self.options.max_retries

    def __repr__(self) -> str:
        return f"<Task: {self.name}>"
