"""The five fields of a crontab: Celery's forms, read by cronsim."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import copy
from datetime import datetime
from typing import Any, Final, NamedTuple

from cronsim import CronSim, CronSimError
from cronsim.cronsim import Field

from pyqueue.exceptions import InvalidSchedule


class _Bounds(NamedTuple):
    field: Field
    lowest: int
    highest: int
    example: str


FIELDS: Final = {
    "minute": _Bounds(Field.MINUTE, 0, 59, "0, '*/15', '0,30' or '10-20'"),
    "hour": _Bounds(Field.HOUR, 0, 23, "7, '*/2', '8-17' or '22-5'"),
    "day_of_month": _Bounds(Field.DAY, 1, 31, "1, '1-7', '*/2', 'L' (the last) or 'LW' (the last weekday)"),
    "month_of_year": _Bounds(Field.MONTH, 1, 12, "1, 'jan', '*/3' or 'nov-feb'"),
    "day_of_week": _Bounds(Field.DOW, 0, 6, "0 (Sunday), 'mon-fri', 'fri-mon' or 'mon#1' (the first)"),
}
"""In the order in which cron writes them."""

_NAMES: Final = re.compile(r"[A-Za-z]{3,}")
_RANGE: Final = re.compile(r"(\w+)-(\w+)(?:/(\d+))?")


def field(name: str, given: Any) -> str:
    """A field as cron writes it: ``*`` or a list. Raises InvalidSchedule for what is none."""
    bounds = FIELDS[name]
    try:
        items = _items(bounds, given)
    except (CronSimError, TypeError, ValueError, KeyError):
        raise InvalidSchedule(
            f"{name}={given!r:.80} is no field of a crontab: it has numbers from {bounds.lowest} to {bounds.highest}, "
            f"such as {bounds.example}"
        ) from None
    whole = set(range(bounds.lowest, bounds.highest + 1))
    if items >= {str(each) for each in whole}:
        return "*"
    return ",".join(sorted(items, key=lambda each: (len(each), each)))


def numbers(name: str, text: str) -> set[int]:
    """The numbers that a field stands for, as far as they are the same each month."""
    bounds = FIELDS[name]
    if text == "*":
        return set(range(bounds.lowest, bounds.highest + 1))
    return {int(each) for each in text.split(",") if each.isdecimal()}


class Times:
    """The times that fit five fields, by a clock that is never put forward or back."""

    def __init__(self, fields: Iterable[str]) -> None:
        self._times = CronSim(" ".join(fields), datetime(2000, 1, 1))
        # As in Celery a day has to fit both of its fields; for cron one is enough where both are given.
        self._times.day_and = True

    def after(self, moment: datetime) -> datetime | None:
        """The first one after a moment; None where there is none for 50 years."""
        times = copy(self._times)
        times.dt = moment.replace(microsecond=0)
        return next(times, None)


def times(fields: Iterable[str]) -> Times | None:
    """None where no time ever fits."""
    try:
        found = Times(fields)
    except CronSimError:
        return None
    return found if found.after(datetime(2000, 1, 1)) is not None else None


def _items(bounds: _Bounds, given: Any) -> set[str]:
    if isinstance(given, bool):
        raise TypeError
    if isinstance(given, int):
        return {_one(bounds, str(given))}
    if isinstance(given, str):
        parts = given.replace(" ", "").split(",")
        return {item for part in parts for item in _of_text(bounds, part)}
    several = list(given)
    if not several:
        raise ValueError
    return {item for each in several for item in _items(bounds, each)}


def _of_text(bounds: _Bounds, part: str) -> set[str]:
    # Celery takes whole names too: "monday".
    part = _NAMES.sub(lambda name: name[0][:3], part).upper()
    span = _RANGE.fullmatch(part)
    if span is not None:
        first, last = (int(_one(bounds, each)) for each in span.group(1, 2))
        if bounds.field is Field.DOW and span[2] == "7":
            last = 7
        if last < first:
            # Over midnight, the end of the week or that of the year.
            whole = [*range(first, bounds.highest + 1), *range(bounds.lowest, last + 1)]
            step = int(span[3] or 1)
            return {str(each) for each in whole[::step]}
    return {_shown(bounds, each) for each in bounds.field.parse(part)}


def _one(bounds: _Bounds, text: str) -> str:
    (item,) = bounds.field.parse(text.upper())
    if not isinstance(item, int) or item < 0:
        raise ValueError
    return _shown(bounds, item)


def _shown(bounds: _Bounds, item: Any) -> str:
    if isinstance(item, tuple):
        day, which = item
        return f"{day % 7}L" if which == CronSim.LAST else f"{day % 7}#{which}"
    if item in (CronSim.LAST, CronSim.LAST_WEEKDAY):
        return "L" if item == CronSim.LAST else "LW"
    return str(item % 7) if bounds.field is Field.DOW else str(item)
