"""Which option of a call is of the wrong kind: asked only when the call has failed, so that a good one pays nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyqueue.options import CallOptions

_FARTHEST: Final = 9e12
"""Seconds: beyond the year 9999, and below what 64 bits hold as microseconds."""


def _is_length(value: Any) -> bool:
    # NaN is below nothing.
    return hasattr(value, "total_seconds") or (isinstance(value, (int, float)) and abs(value) < _FARTHEST)


_LENGTH: Final = ("a number of seconds or a timedelta", _is_length)
_TEXT: Final = (
    "a name, which is printable text",
    lambda value: isinstance(value, str) and value.isprintable(),
)
_WHOLE: Final = ("a whole number", lambda value: isinstance(value, int) and abs(value) < 2**31)
_CALLBACK: Final = (
    "a signature or a list of them",
    lambda value: hasattr(value, "__iter__") or hasattr(value, "to_dict"),
)
_KINDS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "countdown": _LENGTH,
    "time_limit": _LENGTH,
    "soft_time_limit": _LENGTH,
    "dedup_window": _LENGTH,
    "expires": (_LENGTH[0], lambda value: _is_length(value) or hasattr(value, "timestamp")),
    "eta": ("a datetime", lambda value: hasattr(value, "timestamp")),
    "queue": _TEXT,
    "task_id": _TEXT,
    "dedup_key": _TEXT,
    "priority": _WHOLE,
    "max_losses": _WHOLE,
    "headers": ("a dict", lambda value: hasattr(value, "keys")),
    "link": _CALLBACK,
    "link_error": _CALLBACK,
}


def misused(options: CallOptions) -> str | None:
    """The first option whose value is of the wrong kind, in words."""
    for name, (kind, fits) in _KINDS.items():
        value = getattr(options, name)
        if not fits(value) and (value is not None or CallOptions._field_defaults[name] is not None):
            return f"{name} is {kind}, not {value!r:.80}"
    return None
