"""What may be said about a task and about one call of it, and how the two are merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypedDict

from pyqueue import absent
from pyqueue.exceptions import ImproperlyConfigured, InvalidJob
from pyqueue.retry_rule import Rules, checked

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from pyqueue.callbacks import Callback

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_RULES: Final[Rules] = MappingProxyType({})


class TaskOptions(NamedTuple):
    """Options of ``@app.task``. Times are seconds or timedeltas; names and defaults are Celery's."""

    name: str | None = None
    """The task's name; None takes it from the file and the function."""
    bind: bool = False
    """Whether the function's first argument is the task itself."""
    base: type[Any] | None = None
    """A subclass of Task; its class attributes are the defaults of these options."""
    max_retries: int | None = 3
    """Retries after errors; None is without end. Losses of the worker don't count."""
    default_retry_delay: float | timedelta = 180.0
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_for: Rules = _NO_RULES
    """A rule for each class of errors, the nearest of an error's counts; None is no retry."""
    retry_after_max: float = 86_400.0
    """The most seconds that an error may ask to wait (``retry_after``, the header Retry-After); 0 asks none."""
    retry_budget: str | None = None
    """How many retries of the task may begin, over all of its jobs and all workers: "10/m". What has no room waits."""
    retry_backoff: bool | float = False
    """The first delay of an exponential backoff; True is 1 s."""
    retry_backoff_max: float = 600.0
    retry_jitter: bool = True
    """Whether each delay is drawn between 0 and the backoff."""
    retry_kwargs: Mapping[str, Any] = _NONE
    """What ``autoretry_for`` passes to ``retry``: ``max_retries`` and ``countdown``."""
    throws: tuple[type[BaseException], ...] = ()
    """Errors that are expected: logged in one line, without a traceback. The job has failed all the same."""
    queue: str = "default"
    priority: int = 0
    """-128…127; higher runs first."""
    ignore_result: bool = False
    time_limit: float | timedelta | None = None
    """The child is killed after this time."""
    soft_time_limit: float | timedelta | None = None
    """SoftTimeLimitExceeded is raised in the task after this time."""
    expires: float | timedelta | datetime | None = None
    """Not started after this time, counted from the call."""
    max_losses: int = 5
    """How many times the job may take its process down before it is dead."""
    acks_late: bool = True
    """Always so: a job is acknowledged together with its outcome. False is refused."""
    reject_on_worker_lost: bool = True
    """Always so: a job whose process died runs again, up to ``max_losses``. False is refused; use max_losses=1."""
    track_started: bool = True
    """Always so: STARTED is shown while a job runs. Kept, without effect."""
    serializer: str = "json"
    """Only "json"."""
    rate_limit: str | float | None = None
    """Kept, without effect so far."""
    typing: bool | None = None
    """Whether arguments that don't fit the function are refused where the call is made; None is the app's word."""
    log_prints: bool = False
    """Whether what the task prints is kept with its job, as what it logs is."""
    result_expires: float | timedelta | None = None
    """How long the result of a job is kept; None is the app's word."""
    transactional: bool = False
    """Whether the function runs in one ``transaction()``, with what it returns as the result; ``self.db`` is its
    connection."""


class TaskOptionsDict(TypedDict, total=False):
    """The keywords of ``@app.task``; ``TaskOptions`` says what each means. ``bind`` is typed beside it."""

    name: str | None
    base: type[Any] | None
    max_retries: int | None
    default_retry_delay: float | timedelta
    autoretry_for: Sequence[type[BaseException]]
    dont_autoretry_for: Sequence[type[BaseException]]
    retry_for: Rules
    retry_after_max: float
    retry_budget: str | None
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    retry_kwargs: Mapping[str, Any]
    throws: Sequence[type[BaseException]]
    queue: str
    priority: int
    ignore_result: bool
    time_limit: float | timedelta | None
    soft_time_limit: float | timedelta | None
    expires: float | timedelta | datetime | None
    max_losses: int
    acks_late: bool
    reject_on_worker_lost: bool
    track_started: bool
    serializer: str
    rate_limit: str | float | None
    typing: bool | None
    log_prints: bool
    result_expires: float | timedelta | None
    transactional: bool


class CallOptions(NamedTuple):
    """Options of one call, with the task's already merged in. Times are seconds."""

    countdown: float | timedelta | None = None
    eta: datetime | None = None
    """Not before this time; without a time zone it is UTC, as in Celery."""
    expires: float | timedelta | datetime | None = None
    queue: str = "default"
    priority: int = 0
    dedup_key: str | None = None
    """At most one unfinished job per queue and key; ``dedup`` says what a second call does."""
    dedup: Literal["return", "refuse", "replace"] = "return"
    """Where the key is taken: the job that has it, DuplicateJob, or this job in place of one not yet started."""
    dedup_window: float | timedelta | None = None
    """The key stays taken for this time after the call, even if the job has ended."""
    task_id: str | None = None
    ignore_result: bool = False
    time_limit: float | timedelta | None = None
    soft_time_limit: float | timedelta | None = None
    max_losses: int = 5
    result_expires: float | timedelta | None = None
    headers: Mapping[str, Any] | None = None
    """Shown to the task as ``self.request.headers``."""
    link: Callback | Sequence[Callback] | None = None
    """Called with the result as first argument (unless immutable), made in the commit that ends this job."""
    link_error: Callback | Sequence[Callback] | None = None
    """Called with the failed job's id, made in the commit that ends it, however it fails."""


class CallOptionsDict(TypedDict, total=False):
    """The keywords of ``apply_async``; ``CallOptions`` says what each means."""

    countdown: float | timedelta | None
    eta: datetime | None
    expires: float | timedelta | datetime | None
    queue: str
    priority: int
    dedup_key: str | None
    dedup: Literal["return", "refuse", "replace"]
    dedup_window: float | timedelta | None
    task_id: str | None
    ignore_result: bool
    time_limit: float | timedelta | None
    soft_time_limit: float | timedelta | None
    max_losses: int
    result_expires: float | timedelta | None
    headers: Mapping[str, Any] | None
    link: Callback | Sequence[Callback] | None
    link_error: Callback | Sequence[Callback] | None
    serializer: str
    retry: bool
    retry_policy: Mapping[str, Any] | None
    shadow: str | None


_FIXED: Final = {
    "acks_late": "a job is acknowledged in the same commit as its outcome, so that no crash can lose it",
    "reject_on_worker_lost": "a job whose process died runs again; max_losses=1 gives it up at the first loss",
    "serializer": "calls and results are JSON, which runs no code when it is read",
}

_IGNORED: Final = frozenset({"serializer", "retry", "retry_policy", "shadow"})
"""Options of a call in Celery that have nothing to say here: no broker is away, no name is shown otherwise."""

_SHARED = tuple(name for name in CallOptions._fields if name in TaskOptions._fields)


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a task without those that say nothing: None is Celery's word for the default."""
    return {
        name: value
        for name, value in given.items()
        if value is not None or name == "max_retries" or TaskOptions._field_defaults.get(name) is None
    }


def task_options(given: Mapping[str, Any]) -> TaskOptions:
    """Checks the keywords of ``@app.task``. Raises TypeError for one that is unknown or of the wrong kind."""
    if not given:
        return TaskOptions()
    from pyqueue.misuse import misused  # noqa: PLC0415  it imports this module

    _refuse_unknown(given, TaskOptions._fields, "a task", absent.TASK)
    given = said(given)
    options = TaskOptions(**given)
    why = misused(options)
    if why is not None:
        raise TypeError(f"a task can't have that: {why}")
    _refuse_unknown(options.retry_kwargs, ("max_retries", "countdown"), "retry_kwargs")
    for name, why in _FIXED.items():
        if name in given and given[name] != TaskOptions._field_defaults[name]:
            raise ImproperlyConfigured(f"{name}={given[name]!r} can't be had: {why}")
    return options._replace(
        autoretry_for=_classes("autoretry_for", options.autoretry_for),
        dont_autoretry_for=_classes("dont_autoretry_for", options.dont_autoretry_for),
        retry_for=checked(options.retry_for) if options.retry_for else _NO_RULES,
        throws=_classes("throws", options.throws),
    )


def _classes(name: str, given: Any) -> tuple[type[BaseException], ...]:
    classes = tuple(given) if isinstance(given, (list, tuple, set, frozenset)) else (given,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise TypeError(f"{name} takes exception classes, not {each!r}")
    return classes


def call_defaults(task: TaskOptions) -> CallOptions:
    """What a call of the task gets where it says nothing."""
    return CallOptions(**{name: getattr(task, name) for name in _SHARED})


def merge(defaults: CallOptions, call: Mapping[str, Any]) -> CallOptions:
    """The call's options over the task's. Raises TypeError for an unknown one, ValueError for a contradiction."""
    if not call:
        return defaults
    if not _IGNORED.isdisjoint(call):
        if call.get("serializer", "json") not in (None, "json"):
            raise ImproperlyConfigured(
                f"serializer={call['serializer']!r} can't be had: {_FIXED['serializer']}"
            )
        call = {name: value for name, value in call.items() if name not in _IGNORED}
    _refuse_unknown(call, CallOptions._fields, "a call", absent.CALL)
    if call.get("countdown") is not None and call.get("eta") is not None:
        raise ValueError("give countdown or eta, not both")
    for name, value in call.items():
        # Anything is a flag to Python, and a flag is a number.
        if isinstance(value, bool) is not (name == "ignore_result") and value is not None:
            _refuse_kind(defaults, name, value)
    merged = defaults._replace(**call)
    if merged.ignore_result is None:
        merged = merged._replace(ignore_result=defaults.ignore_result)
    if merged.dedup_key is None:
        for name in ("dedup", "dedup_window"):
            if call.get(name) is not None:
                raise ValueError(
                    f"{name} says what becomes of a dedup_key, and none is given; add dedup_key=…"
                )
    return merged


def _refuse_kind(defaults: CallOptions, name: str, value: Any) -> None:
    from pyqueue.misuse import misused  # noqa: PLC0415  it imports this module

    why = misused(defaults._replace(**{name: value}))
    if why is not None:
        raise InvalidJob(f"a call can't have that: {why}")


def _refuse_unknown(
    given: Mapping[str, Any], known: tuple[str, ...], whom: str, celerys: Mapping[str, str] = _NONE
) -> None:
    for name in given:
        if name in celerys:
            raise TypeError(f"{name!r} is no option of {whom}: {celerys[name]}")
        if name not in known:
            raise TypeError(f"{name!r} is no option of {whom}; there are: {', '.join(sorted(known))}")
