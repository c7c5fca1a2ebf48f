"""From the times of a wall clock to instants, over the days on which that clock is put forward or back.

A *named* time (the hour is given) comes once a day: where the clock skips it, at the end of the gap; where the clock
shows it twice, the first time. Times of *every hour* come whenever the clock shows them: in the gap there are none, and
an hour that is repeated has them twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from pyqueue.exceptions import InvalidSchedule

Clock = Callable[[datetime], datetime | None]
"""The first time after one, by a clock that is never put forward or back; both without a zone."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)


def zone_named(name: str) -> tzinfo:
    """Raises InvalidSchedule where there is none."""
    if name == "UTC":
        return UTC  # also where no zones are installed
    try:
        return ZoneInfo(name)
    except TypeError:
        raise InvalidSchedule(f"a time zone is a name such as 'Europe/Berlin', not {name!r:.80}") from None
    except (LookupError, ValueError, OSError):
        raise InvalidSchedule(
            f"there is no time zone {name!r:.80} on this machine; an example is Europe/Berlin, and tzdata has them all"
        ) from None


def instant(us: int) -> datetime:
    """Microseconds since 1970 as a time in UTC."""
    return _EPOCH + us * _MICROSECOND


def us_of(when: datetime) -> int:
    """The reverse, of a time that has a zone."""
    return (when - _EPOCH) // _MICROSECOND


def named_after(clock: Clock, zone: tzinfo, after: datetime) -> datetime | None:
    """The first of the named times after an instant (UTC)."""
    local: datetime | None = after.astimezone(zone).replace(tzinfo=None)
    # In an hour that is repeated the clock shows times that have come before.
    while local is not None and (local := clock(local)) is not None:
        found = _first(local, zone)
        if found > after:
            return found
    return None


def shown_after(clock: Clock, zone: tzinfo, after: datetime) -> datetime | None:
    """The first instant after one (UTC) at which the clock shows one of the times of every hour."""
    start = after + _MICROSECOND
    while True:
        offset = _offset(start, zone)
        local = clock((start - _MICROSECOND + offset).replace(tzinfo=None))
        if local is None:
            return None
        found = local.replace(tzinfo=UTC) - offset
        change = _change(zone, start, found)
        if change is None:
            return found
        # From there on the clock shows other times, perhaps earlier ones.
        start = change


def _first(local: datetime, zone: tzinfo) -> datetime:
    """When the clock shows a time, or the end of the gap that the time is in."""
    found = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local:
        return found
    # The gap has the offset of before for the one fold, of after for the other: its end lies between.
    return _change(zone, local.replace(tzinfo=zone, fold=1).astimezone(UTC), found) or found


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: tzinfo, start: datetime, end: datetime) -> datetime | None:
    """The first second after ``start``, and not after ``end``, from which another offset counts."""
    before = _offset(start, zone)
    low = start
    while low < end:
        high = min(low + _DAY, end)
        if _offset(high, zone) != before:
            # Changes are at whole seconds.
            low, high = low.replace(microsecond=0), (high + _SECOND - _MICROSECOND).replace(microsecond=0)
            while high - low > _SECOND:
                middle = low + (high - low) // 2 // _SECOND * _SECOND
                low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
            return high
        low = high
    return None
