"""What each knob takes, from code, from the environment (texts) and from TOML."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, Final


def _text(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("a text")
    return str(os.fspath(value))


def _one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in words:
            raise ValueError(" or ".join(words))
        return value.lower()

    return check


def _flag(value: Any) -> bool:
    if isinstance(value, str):
        value = {"1": True, "true": True, "yes": True, "on": True}.get(
            value.lower(), False if value.lower() in ("0", "false", "no", "off") else None
        )
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _number(lowest: int, highest: float = math.inf) -> Callable[[Any], int]:
    bounds = f"from {lowest}" + (f" to {highest}" if highest < math.inf else "")

    def check(value: Any) -> int:
        if isinstance(value, str) and value.removeprefix("-").isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"a whole number {bounds}")
        return value

    return check


_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(value: Any) -> float:
    """A length of time: seconds, a timedelta, or a text such as "90", "500ms", "30s", "5m", "1h", "7d"."""
    if hasattr(value, "total_seconds"):
        value = value.total_seconds()
    if isinstance(value, str):
        number = value.rstrip("smhd")
        try:
            value = float(number) * _UNITS[value[len(number) :] or "s"]
        except (ValueError, KeyError):
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e10:
        raise ValueError("a time above 0, such as 30, '30s', '5m' or '1h'")
    return float(value)


def _kept(value: Any) -> float:
    """As ``seconds``; 0 is for ever, which is a hundred years."""
    return 3_153_600_000.0 if value in (0, "0") and value is not False else seconds(value)


def grace(value: Any) -> float:
    """As ``seconds``, or 0."""
    return 0.0 if value in (0, "0") and value is not False else seconds(value)


def _stall(value: Any) -> float:
    """As ``grace``, and at least 2: a worker that is well may stand still for a second."""
    length = grace(value)
    if 0 < length < 2:
        raise ValueError("a time of at least 2 seconds, or 0")
    return length


_SIZES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def memory(value: Any) -> int:
    """Bytes: a number is KiB as in Celery, a text may have a unit ("512M", "2G"); 0 is no limit."""
    if isinstance(value, str):
        text = value.strip().upper().removesuffix("B").removesuffix("I")
        unit = _SIZES.get(text[-1:])
        number = text[:-1] if unit else text
        value = int(number) if number.isascii() and number.isdecimal() and len(number) <= 15 else -1
    else:
        unit = None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 50:
        raise ValueError("a number of KiB or a size such as '512M' or '2G', or 0 for no limit")
    return value * (unit or _SIZES["K"])


def _names(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("names between commas")
    found = tuple(part.strip() for part in parts if part.strip())
    if not found:
        raise ValueError("at least one name")
    return found


def autoscale(value: Any) -> tuple[int, int]:
    """The most and the least children, as Celery's "MAX,MIN"; without a MIN, or with 0, that is 1."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        most, least = (*(int(part) for part in parts), 1)[:2] if len(parts) in (1, 2) else (0, 0)
    except (TypeError, ValueError):
        most, least = 0, 0
    if not 0 <= least <= most or most < 1 or most > _MOST:
        raise ValueError(
            f"MAX,MIN: two numbers such as 10,2, of which the first is larger and at most {_MOST:,}"
        )
    return most, max(1, least)


_MOST: Final = 1024


def _prefetch(value: Any) -> int:
    """Jobs that a slot is given at once; 0, for Celery any number, is to leave it to the worker."""
    return _number(0, 128)(value)


CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "app": _text,
    "db": _text,
    "embed": _flag,
    "durability": _one_of("full", "normal"),
    "visibility_timeout": seconds,
    "max_body": _number(1),
    "max_db_bytes": _number(1),
    "result_expires": _kept,
    "history_count": _number(1),
    "failure_expires": _kept,
    "default_queue": _text,
    "default_priority": _number(-128, 127),
    "ignore_result": _flag,
    "time_limit": seconds,
    "soft_time_limit": seconds,
    "always_eager": _flag,
    "eager_propagates": _flag,
    "concurrency": _number(1),
    "queues": _names,
    "pool": _text,
    "autoscale": autoscale,
    "prefetch": _prefetch,
    "max_tasks_per_child": _number(1, 1 << 62),
    "max_memory_per_child": memory,
    "memory_limit": memory,
    "grace": grace,
    "log_bytes": _number(0, 262_144),
    "start_timeout": seconds,
    "schedule_version": _number(0, 1 << 62),
    "stall_timeout": _stall,
    "loglevel": _one_of("debug", "info", "warning", "error", "critical"),
}
