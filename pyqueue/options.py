"""What may be said about a task and about one call of it, and how the two are merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class TaskOptions(NamedTuple):
    """Options of ``@app.task``. Times are seconds; names and defaults are Celery's."""

    name: str | None = None
    """The task's name; None takes it from the file and the function."""
    bind: bool = False
    """Whether the function's first argument is the task itself."""
    max_retries: int | None = 3
    """Retries after errors; None is without end. Losses of the worker don't count."""
    default_retry_delay: float = 180.0
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_backoff: bool | float = False
    """The first delay of an exponential backoff; True is 1 s."""
    retry_backoff_max: float = 600.0
    retry_jitter: bool = True
    """Whether each delay is drawn between 0 and the backoff."""
    queue: str = "default"
    priority: int = 0
    """-128…127; higher runs first."""
    ignore_result: bool = False
    time_limit: float | None = None
    """The child is killed after this time."""
    soft_time_limit: float | None = None
    """SoftTimeLimitExceeded is raised in the task after this time."""
    expires: float | timedelta | datetime | None = None
    """Not started after this time, counted from the call."""
    max_losses: int = 5
    """How many times the job may take its process down before it is dead."""


class TaskOptionsDict(TypedDict, total=False):
    """The keywords of ``@app.task``; ``TaskOptions`` says what each means. ``bind`` is typed beside it."""

    name: str | None
    max_retries: int | None
    default_retry_delay: float
    autoretry_for: Sequence[type[BaseException]]
    dont_autoretry_for: Sequence[type[BaseException]]
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    queue: str
    priority: int
    ignore_result: bool
    time_limit: float | None
    soft_time_limit: float | None
    expires: float | timedelta | datetime | None
    max_losses: int


class CallOptions(NamedTuple):
    """Options of one call, with the task's already merged in. Times are seconds."""

    countdown: float | timedelta | None = None
    eta: datetime | None = None
    """Not before this time; without a time zone it is UTC, as in Celery."""
    expires: float | timedelta | datetime | None = None
    queue: str = "default"
    priority: int = 0
    dedup_key: str | None = None
    """At most one unfinished job per queue and key; a second call gets the first one's id."""
    task_id: str | None = None
    ignore_result: bool = False
    time_limit: float | None = None
    soft_time_limit: float | None = None
    max_losses: int = 5


class CallOptionsDict(TypedDict, total=False):
    """The keywords of ``apply_async``; ``CallOptions`` says what each means."""

    countdown: float | timedelta | None
    eta: datetime | None
    expires: float | timedelta | datetime | None
    queue: str
    priority: int
    dedup_key: str | None
    task_id: str | None
    ignore_result: bool
    time_limit: float | None
    soft_time_limit: float | None
    max_losses: int


_SHARED = tuple(name for name in CallOptions._fields if name in TaskOptions._fields)


def task_options(given: Mapping[str, Any]) -> TaskOptions:
    """Checks the keywords of ``@app.task``. Raises TypeError for one that is unknown."""
    _refuse_unknown(given, TaskOptions._fields, "a task")
    options = TaskOptions(**given)
    for name in ("autoretry_for", "dont_autoretry_for"):
        if isinstance(given.get(name), type):
            raise TypeError(f"{name} is a tuple of exceptions: write ({given[name].__name__},)")
    return options._replace(
        autoretry_for=tuple(options.autoretry_for), dont_autoretry_for=tuple(options.dont_autoretry_for)
    )


def call_defaults(task: TaskOptions) -> CallOptions:
    """What a call of the task gets where it says nothing."""
    return CallOptions(**{name: getattr(task, name) for name in _SHARED})


def merge(defaults: CallOptions, call: Mapping[str, Any]) -> CallOptions:
    """The call's options over the task's. Raises TypeError for an unknown one, ValueError for a contradiction."""
    if not call:
        return defaults
    _refuse_unknown(call, CallOptions._fields, "a call")
    if call.get("countdown") is not None and call.get("eta") is not None:
        raise ValueError("give countdown or eta, not both")
    return defaults._replace(**call)


_LENGTHS = ("countdown", "time_limit", "soft_time_limit")
_NUMBERS = ("priority", "max_losses")
_FARTHEST = 9e12
"""Seconds: beyond the year 9999, and below what 64 bits hold as microseconds."""


def misused(options: CallOptions) -> str | None:
    """The first option whose value is of the wrong kind, in words. Asked only when a call has failed."""
    for name, value in zip(options._fields, options, strict=True):
        wanted = _wanted(name, value)
        if wanted is not None:
            return f"{name} is {wanted}, not {value!r:.80}"
    return None


def _wanted(name: str, value: Any) -> str | None:
    """What the option takes, where the value is nothing of that."""
    number = isinstance(value, (int, float)) and -_FARTHEST < value < _FARTHEST
    if name in _NUMBERS:
        fits = isinstance(value, int) and abs(value) < 2**31
        return None if fits else "a whole number"
    if name == "queue" or (value is not None and name in ("dedup_key", "task_id")):
        text = isinstance(value, str) and value.isprintable()
        return None if text else "a name, which is printable text"
    if value is None or name == "ignore_result":
        return None
    if name == "eta" or (name == "expires" and hasattr(value, "tzinfo")):
        return None if hasattr(value, "timestamp") else "a datetime"
    if name in _LENGTHS or name == "expires":
        return None if number or hasattr(value, "total_seconds") else "a number of seconds or a timedelta"
    return None


def _refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], whom: str) -> None:
    for name in given:
        if name not in known:
            raise TypeError(f"{name!r} is no option of {whom}; there are: {', '.join(sorted(known))}")
