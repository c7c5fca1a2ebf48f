"""Which option is of the wrong kind: of a task when it is made; of a call only when that has failed, so that a good
one pays nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pyqueue.options import CallOptions, TaskOptions
from pyqueue.rates import is_rate

_FARTHEST: Final = 9e12
"""Seconds: beyond the year 9999, and below what 64 bits hold as microseconds."""


def is_number(value: Any) -> bool:
    """Whether it is a number that can be a length of time."""
    # To Python a flag is a number. NaN is below nothing.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _FARTHEST


def is_length(value: Any) -> bool:
    """Whether it is a length of time."""
    return hasattr(value, "total_seconds") or is_number(value)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number that can be counted to."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


_LENGTH: Final = ("a number of seconds or a timedelta", is_length)
_TEXT: Final = (
    "a name, which is printable text",
    lambda value: isinstance(value, str) and value.isprintable(),
)
_WHOLE: Final = ("a whole number", is_whole)
_FLAG: Final = ("true or false", lambda value: isinstance(value, bool))
_NAME: Final = ("a name", lambda value: isinstance(value, str) and value != "")
_CALLBACK: Final = (
    "a signature or a list of them",
    lambda value: hasattr(value, "__iter__") or hasattr(value, "to_dict"),
)
_KINDS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "countdown": _LENGTH,
    "time_limit": _LENGTH,
    "soft_time_limit": _LENGTH,
    "dedup_window": _LENGTH,
    "result_expires": _LENGTH,
    "expires": (_LENGTH[0], lambda value: is_length(value) or hasattr(value, "timestamp")),
    "eta": ("a datetime", lambda value: hasattr(value, "timestamp")),
    "queue": _TEXT,
    "task_id": _TEXT,
    "dedup_key": _TEXT,
    "priority": _WHOLE,
    "max_losses": _WHOLE,
    "ignore_result": _FLAG,
    "headers": ("a dict", lambda value: hasattr(value, "keys")),
    "link": _CALLBACK,
    "link_error": _CALLBACK,
}


_KINDS_OF_A_TASK: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    **{name: kind for name, kind in _KINDS.items() if name in TaskOptions._fields},
    "name": _NAME,
    "queue": _NAME,
    "priority": ("a whole number from -128 to 127", lambda value: is_whole(value) and -128 <= value <= 127),
    "bind": _FLAG,
    "max_retries": ("a whole number, or None for no end", is_whole),
    "default_retry_delay": _LENGTH,
    "retry_backoff": (
        "true, false or a number of seconds",
        lambda value: isinstance(value, bool) or is_number(value),
    ),
    "retry_backoff_max": ("a number of seconds", is_number),
    "retry_jitter": _FLAG,
    "retry_budget": ("a text such as '10/m'", is_rate),
    "retry_after_max": ("a number of seconds", is_number),
    "retry_kwargs": ("a dict", lambda value: isinstance(value, Mapping)),
    "acks_late": _FLAG,
    "reject_on_worker_lost": _FLAG,
    "track_started": _FLAG,
    "typing": _FLAG,
    "log_prints": _FLAG,
    "transactional": _FLAG,
    "rate_limit": (
        "a number of jobs a second or a text such as '10/m'",
        lambda value: isinstance(value, str) or is_number(value),
    ),
}


def misused(options: CallOptions | TaskOptions) -> str | None:
    """The first option whose value is of the wrong kind, in words."""
    kinds = _KINDS if isinstance(options, CallOptions) else _KINDS_OF_A_TASK
    for name, (kind, fits) in kinds.items():
        value = getattr(options, name)
        may_be_none = name == "max_retries" or options._field_defaults[name] is None
        if not (fits(value) or (value is None and may_be_none)):
            return f"{name} is {kind}, not {value!r:.80}"
    return None
