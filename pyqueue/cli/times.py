"""Instants and lengths of time as people and programs read them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_STEPS: Final = (("d", 86_400, 172_800), ("h", 3_600, 7_200), ("m", 60, 120))


def iso(instant_us: int | None) -> str | None:
    """ISO 8601 in UTC, for programs."""
    if instant_us is None:
        return None
    try:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(instant_us // 1_000_000))
    except (OverflowError, OSError, ValueError):
        return f"{instant_us} us"
    return f"{whole}.{instant_us % 1_000_000:06d}Z"


def local(instant_us: int | None, now_us: int) -> str:
    """Local time and age, for people."""
    return "-" if instant_us is None else f"{clock(instant_us)} ({age(instant_us, now_us)})"


def clock(instant_us: int) -> str:
    """Local time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(instant_us // 1_000_000))
    except (OverflowError, OSError, ValueError):
        return f"{instant_us} us"


def age(instant_us: int, now_us: int) -> str:
    """How long ago, or in how long."""
    gone = now_us - instant_us
    return f"{length(gone)} ago" if gone >= 0 else f"in {length(-gone)}"


def length(time_us: int) -> str:
    """A length of time in its own unit: "40 ms", "3 m"."""
    if time_us < 1_000_000:
        return f"{time_us // 1000} ms"
    seconds = time_us // 1_000_000
    for unit, size, least in _STEPS:
        if seconds >= least:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
