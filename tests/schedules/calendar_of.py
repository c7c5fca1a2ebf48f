"""When schedules are due, by counting: every quarter of an hour is looked at, and no code of ours is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)
"""Every offset and every change of the zones in use is at one."""

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Atlantic/Azores",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Nuuk",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Antarctica/Troll",
)

Fits = Callable[[datetime], bool]


def shown(zone: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Every quarter from ``start`` on and before ``end``, with what the zone's clock shows then."""
    found = []
    where = ZoneInfo(zone)
    while start < end:
        found.append((start, start.astimezone(where).replace(tzinfo=None)))
        start += QUARTER
    return found


def every_hour(zone: str, start: datetime, end: datetime, fits: Fits) -> list[datetime]:
    """Whenever the clock shows a time that fits."""
    return [at for at, local in shown(zone, start, end) if fits(local)]


def named(zone: str, start: datetime, end: datetime, fits: Fits) -> list[datetime]:
    """Once for each time that fits: when the clock first shows it, or goes past it."""
    margin = timedelta(days=2)
    quarters = shown(zone, start - margin, end + margin)
    found = set()
    highest = quarters[0][1]
    for at, local in quarters[1:]:
        passed = highest + QUARTER
        while passed <= local:
            if fits(passed):
                found.add(at)
            passed += QUARTER
        highest = max(highest, local)
    return sorted(at for at in found if start <= at < end)


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]
