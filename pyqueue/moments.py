"""Lengths of time and instants as microseconds: one rule for every option that takes one.

A length is seconds or a timedelta; below zero it is zero. An instant without a time zone is UTC, as in Celery;
one that has passed means now. Nothing may lie beyond the year 9999.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from datetime import datetime, timedelta

FARTHEST_US: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999, as datetime has it."""


def length_us(length: float | timedelta, what: str = "a length of time") -> int:
    """Raises TypeError for what is no length, ValueError for one too long."""
    if isinstance(length, (int, float)):
        seconds: float = length
    elif hasattr(length, "total_seconds"):
        seconds = length.total_seconds()
    else:
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {length!r:.80}")
    # Written so that NaN is refused too.
    if not seconds * 1e6 < FARTHEST_US:
        raise ValueError(f"{what} of {length} lies beyond the year 9999; give seconds or a timedelta")
    return max(0, round(seconds * 1e6))


def instant_us(instant: datetime) -> int:
    """Microseconds since 1970-01-01 UTC; an earlier instant is that one. Raises TypeError for what is no datetime."""
    if not hasattr(instant, "tzinfo") or not hasattr(instant, "timestamp"):
        raise TypeError(f"a time is a datetime, not {instant!r:.80}")
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    # In whole numbers: as a float, the last microseconds before the year 10000 are in it.
    return max(0, (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def after_us(moment: float | timedelta | datetime, now_us: Callable[[], int], what: str) -> int:
    """The instant that a length from now, or an instant, names."""
    return (
        instant_us(cast("datetime", moment))
        if is_instant(moment)
        else now_us() + length_us(cast("float", moment), what)
    )


def before_us(moment: float | timedelta | datetime, now_us: Callable[[], int]) -> int:
    """The instant that a length of time ago, or an instant, names."""
    if is_instant(moment):
        return instant_us(cast("datetime", moment))
    return now_us() - length_us(cast("float", moment))


def shown(instant_us: int) -> str:
    """An instant in ISO 8601. Raises ValueError for one beyond the year 9999."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    if instant_us > FARTHEST_US:
        raise ValueError("the time of a call lies beyond the year 9999; give an earlier one")
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)).isoformat()


def eta_of(instant_us: int | None) -> str | None:
    """The same for what a file says; None for nothing, and for what no datetime can be: plain SQL may write any time."""
    return None if instant_us is None or not 0 <= instant_us <= FARTHEST_US else shown(instant_us)


def seconds_until(moment: float | timedelta | datetime) -> float:
    """Seconds from now, never below zero."""
    if not is_instant(moment):
        return length_us(cast("float", moment), "a delay") / 1e6
    import time  # noqa: PLC0415

    return max(0.0, instant_us(cast("datetime", moment)) / 1e6 - time.time())


def is_instant(moment: float | timedelta | datetime) -> bool:
    """Whether it is an instant and not a length."""
    # Without datetime being loaded, there is none.
    loaded = sys.modules.get("datetime")
    return loaded is not None and isinstance(moment, loaded.datetime)
