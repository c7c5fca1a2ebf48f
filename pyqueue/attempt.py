"""One attempt of a call, the same in a worker and in place: middleware, hooks, signals, Celery's control flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue import request, signals
from pyqueue.einfo import ExceptionInfo
from pyqueue.exceptions import Ignore, Reject, Replaced, Retry, Terminated
from pyqueue.middleware import Middleware, through
from pyqueue.moments import seconds_until
from pyqueue.retrying import delay_after
from pyqueue.states import FAILURE, RETRY, SUCCESS

if TYPE_CHECKING:
    from pyqueue.signature import Signature

IGNORED: Final = "IGNORED"
REJECTED: Final = "REJECTED"
REPLACED: Final = "REPLACED"


class Ended(NamedTuple):
    """How an attempt ended."""

    state: str
    """SUCCESS, FAILURE, RETRY, IGNORED, REJECTED or REPLACED."""
    value: Any = None
    """What it returned."""
    kept: Any = None
    """What is kept of that; of a retry with other arguments, its message; of what was replaced, what it becomes."""
    error: BaseException | None = None
    delay: float = 0.0
    """Seconds until the next attempt."""

    @property
    def reason(self) -> BaseException | None:
        """The error that led to a retry, else the error."""
        return (self.error.exc or self.error) if isinstance(self.error, Retry) else self.error


class Attempt(request.Running, ABC):
    """One call, to be attempted."""

    __slots__ = ()

    @abstractmethod
    def called(self) -> Any:
        """Calls the function."""

    @abstractmethod
    def keep(self, value: Any) -> Any:
        """What is kept of what it returned. What this raises fails the attempt."""

    @abstractmethod
    def rewrite(self, anew: Signature[Any]) -> Any:
        """The message of a retry with other arguments. What this raises fails the attempt."""

    def replacement(self, signature: Signature[Any]) -> Any:
        """What the job becomes. What this raises fails the attempt."""
        raise NotImplementedError

    def settled(self, ended: Ended) -> Ended:
        """How it ended, where more is known of it than what it raised or returned."""
        return ended


def attempt(run: Attempt, middleware: Sequence[Middleware] = ()) -> Ended:
    """Makes one attempt; whatever it raises is in what is returned."""
    mark = request.begin(run)
    try:
        if signals.task_prerun.connected:
            signals.task_prerun.send(run.task, **_call_of(run))
        ended = run.settled(_ended(run, middleware))
        _tell(run, ended)
    finally:
        request.end(mark)
    return ended


async def attempt_here(run: Attempt, called: Callable[[], Awaitable[Any]]) -> Ended:
    """As ``attempt``, of a coroutine function in the running event loop: ``called`` calls it."""
    mark = request.begin(run)
    try:
        if signals.task_prerun.connected:
            signals.task_prerun.send(run.task, **_call_of(run))
        ended = run.settled(await _ended_here(run, called))
        _tell(run, ended)
    finally:
        request.end(mark)
    return ended


def _call_of(run: Attempt) -> dict[str, Any]:
    context = run.context
    return {"task_id": context.id, "task": run.task, "args": context.args, "kwargs": context.kwargs}


def invoke(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    run: Callable[[CoroutineType[Any, Any, Any]], Any] | None = None,
) -> Any:
    """Calls a task, or a function; runs what an ``async def`` returns, in an event loop of its own or by ``run``."""
    value = function(*args, **kwargs)
    if type(value) is CoroutineType:
        if run is not None:
            return run(value)
        import asyncio  # noqa: PLC0415

        return asyncio.run(value)
    return value


def _ended(run: Attempt, middleware: Sequence[Middleware]) -> Ended:
    try:
        if run.task.hooked:
            run.task.before_start(run.context.id or "", run.context.args, run.context.kwargs)
        value = through(middleware, partial(_called, run), run.context) if middleware else _called(run)
        return Ended(SUCCESS, value, run.keep(value))
    except BaseException as error:  # noqa: BLE001  a task may raise anything, and none of it may end the child
        return _raised(run, error)


async def _ended_here(run: Attempt, called: Callable[[], Awaitable[Any]]) -> Ended:
    try:
        if run.task.hooked:
            run.task.before_start(run.context.id or "", run.context.args, run.context.kwargs)
        try:
            value = await called()
        except BaseException as error:
            _try_again(run, error)
            raise
        return Ended(SUCCESS, value, run.keep(value))
    except BaseException as error:  # noqa: BLE001  as above
        return _raised(run, error)


def _raised(run: Attempt, error: BaseException) -> Ended:  # noqa: PLR0911  one for each way to end
    if isinstance(error, Retry):
        try:
            kept = None if error.sig is None else run.rewrite(error.sig)
            return Ended(RETRY, kept=kept, error=error, delay=seconds_until(error.when))
        except Exception as wrong:  # noqa: BLE001  both are the user's and may be anything
            return Ended(FAILURE, error=wrong)
    if isinstance(error, Replaced):
        try:
            return Ended(REPLACED, kept=run.replacement(error.sig))
        except Exception as wrong:  # noqa: BLE001  as above
            return Ended(FAILURE, error=wrong)
    if isinstance(error, Ignore):
        return Ended(IGNORED)
    if isinstance(error, Reject):
        return Ended(REJECTED if error.requeue else FAILURE, error=error)
    return Ended(FAILURE, error=error)


def _called(run: Attempt) -> Any:
    try:
        return run.called()
    except BaseException as error:
        _try_again(run, error)
        raise


def _try_again(run: Attempt, error: BaseException) -> None:
    """Raises a Retry in place of an error that the task's options try again."""
    if isinstance(error, (Retry, Ignore, Reject, Terminated)):
        return
    delay = delay_after(error, run.task.options, run.context.retries)
    if delay is not None:
        raise Retry(exc=error, when=delay) from error


def _tell(run: Attempt, ended: Ended) -> None:
    task = run.task
    if ended.state == SUCCESS:
        if task.hooked:
            call = _positional(run)
            _quietly(task.on_success, ended.value, *call)
            _quietly(task.after_return, SUCCESS, ended.value, *call, None)
        if signals.task_success.connected:
            signals.task_success.send(task, result=ended.value)
    elif ended.state == FAILURE and ended.error is not None and not isinstance(ended.error, Terminated):
        call, einfo = _positional(run), ExceptionInfo(ended.error)
        _quietly(task.on_failure, ended.error, *call, einfo)
        _quietly(task.after_return, FAILURE, ended.error, *call, einfo)
        if signals.task_failure.connected:
            about = {name: value for name, value in _call_of(run).items() if name != "task"}
            signals.task_failure.send(
                task, **about, exception=ended.error, traceback=ended.error.__traceback__, einfo=einfo
            )
    elif ended.state == RETRY and ended.reason is not None:
        einfo = ExceptionInfo(ended.reason)
        _quietly(task.on_retry, ended.reason, *_positional(run), einfo)
        if signals.task_retry.connected:
            signals.task_retry.send(task, request=run.context, reason=ended.error, einfo=einfo)
    if signals.task_postrun.connected:
        retval = ended.value if ended.error is None else ended.error
        signals.task_postrun.send(task, **_call_of(run), retval=retval, state=ended.state)


def _positional(run: Attempt) -> tuple[str | None, list[Any], dict[str, Any]]:
    context = run.context
    return context.id, context.args, context.kwargs


def _quietly(hook: Callable[..., Any], *args: Any) -> None:
    try:
        hook(*args)
    except BaseException:
        import logging  # noqa: PLC0415

        logging.getLogger("pyqueue.task").exception("%s raised", hook.__qualname__)
