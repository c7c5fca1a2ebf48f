"""One attempt of a call, the same in a worker and in place: middleware, hooks, signals, Celery's control flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue import request, signals
from pyqueue.einfo import ExceptionInfo
from pyqueue.exceptions import Ignore, Reject, Retry
from pyqueue.middleware import Middleware, through
from pyqueue.moments import seconds_until
from pyqueue.retrying import delay_after
from pyqueue.states import FAILURE, RETRY, SUCCESS

if TYPE_CHECKING:
    from pyqueue.request import Context
    from pyqueue.signature import Signature
    from pyqueue.task import Task

IGNORED: Final = "IGNORED"
REJECTED: Final = "REJECTED"


class Ended(NamedTuple):
    """How an attempt ended."""

    state: str
    """SUCCESS, FAILURE, RETRY, IGNORED or REJECTED."""
    value: Any = None
    """What it returned."""
    kept: Any = None
    """What is kept of that; of a retry with other arguments, its message."""
    error: BaseException | None = None
    delay: float = 0.0
    """Seconds until the next attempt."""

    @property
    def reason(self) -> BaseException | None:
        """The error that led to a retry, else the error."""
        return (self.error.exc or self.error) if isinstance(self.error, Retry) else self.error


def attempt(
    task: Task[Any, Any],
    context: Context,
    call: Callable[[], Any],
    *,
    keep: Callable[[Any], Any],
    rewrite: Callable[[Signature[Any]], Any],
    middleware: Sequence[Middleware] = (),
) -> Ended:
    """Makes one attempt; whatever it raises is in what is returned.

    ``call`` calls the function. ``keep`` turns its value into what is kept, ``rewrite`` the call of a retry with
    other arguments into its message; what either raises fails the attempt.
    """
    with request.running(task, context):
        if signals.task_prerun:
            signals.task_prerun.send(task, **_call_of(task, context))
        ended = _ended(task, context, call, keep=keep, rewrite=rewrite, middleware=middleware)
        _tell(task, context, ended)
        if signals.task_postrun:
            retval = ended.value if ended.error is None else ended.error
            signals.task_postrun.send(task, **_call_of(task, context), retval=retval, state=ended.state)
    return ended


def _call_of(task: Task[Any, Any], context: Context) -> dict[str, Any]:
    return {"task_id": context.id, "task": task, "args": context.args, "kwargs": context.kwargs}


def invoke(
    task: Task[Any, Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    run: Callable[[CoroutineType[Any, Any, Any]], Any] | None = None,
) -> Any:
    """Calls the task; runs what an ``async def`` returns, in an event loop of its own or by ``run``."""
    value = task(*args, **kwargs)
    if type(value) is CoroutineType:
        if run is not None:
            return run(value)
        import asyncio  # noqa: PLC0415

        return asyncio.run(value)
    return value


def _ended(
    task: Task[Any, Any],
    context: Context,
    call: Callable[[], Any],
    *,
    keep: Callable[[Any], Any],
    rewrite: Callable[[Signature[Any]], Any],
    middleware: Sequence[Middleware],
) -> Ended:
    def guarded() -> Any:
        try:
            return call()
        except (Retry, Ignore, Reject):
            raise
        except BaseException as error:
            delay = delay_after(error, task.options, context.retries)
            if delay is None:
                raise
            raise Retry(exc=error, when=delay) from error

    try:
        task.before_start(context.id or "", context.args, context.kwargs)
        value = through(middleware, guarded, context) if middleware else guarded()
        return Ended(SUCCESS, value, keep(value))
    except Retry as retry:
        try:
            kept = None if retry.sig is None else rewrite(retry.sig)
            return Ended(RETRY, kept=kept, error=retry, delay=seconds_until(retry.when))
        except Exception as wrong:  # noqa: BLE001  both are the user's and may be anything
            return Ended(FAILURE, error=wrong)
    except Ignore:
        return Ended(IGNORED)
    except Reject as reject:
        return Ended(REJECTED if reject.requeue else FAILURE, error=reject)
    except BaseException as error:  # noqa: BLE001  a task may raise anything, and none of it may end the child
        return Ended(FAILURE, error=error)


def _tell(task: Task[Any, Any], context: Context, ended: Ended) -> None:
    call = (context.id, context.args, context.kwargs)
    if ended.state == SUCCESS:
        if task.hooked:
            _quietly(task.on_success, ended.value, *call)
            _quietly(task.after_return, SUCCESS, ended.value, *call, None)
        if signals.task_success:
            signals.task_success.send(task, result=ended.value)
    elif ended.state == FAILURE and ended.error is not None:
        einfo = ExceptionInfo(ended.error)
        _quietly(task.on_failure, ended.error, *call, einfo)
        _quietly(task.after_return, FAILURE, ended.error, *call, einfo)
        if signals.task_failure:
            signals.task_failure.send(
                task,
                task_id=context.id,
                exception=ended.error,
                args=context.args,
                kwargs=context.kwargs,
                traceback=ended.error.__traceback__,
                einfo=einfo,
            )
    elif ended.state == RETRY and ended.reason is not None:
        einfo = ExceptionInfo(ended.reason)
        _quietly(task.on_retry, ended.reason, *call, einfo)
        if signals.task_retry:
            signals.task_retry.send(task, request=context, reason=ended.error, einfo=einfo)


def _quietly(hook: Callable[..., Any], *args: Any) -> None:
    try:
        hook(*args)
    except BaseException:
        import logging  # noqa: PLC0415

        logging.getLogger("pyqueue.task").exception("%s raised", hook.__qualname__)
