"""When a task is run again and again: ``crontab``, in Celery's shape, and ``schedule``, a length of time.

crontab(minute=30, hour=7, day_of_week="mon-fri", zone="Europe/Berlin")
schedule(timedelta(minutes=5))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn

from pyqueue.exceptions import InvalidSchedule
from pyqueue.wall_times import instant, named_after, shown_after, us_of, zone_named

SHORTEST_US: Final = 10_000
"""No interval is shorter."""
_UNITS: Final = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000)


class BaseSchedule(ABC):
    """When something is due."""

    zone: str | None = None
    """The time zone that its clock shows; None is the app's."""

    @abstractmethod
    def after_us(self, after_us: int, zone: str, begun_us: int) -> int | None:
        """The first time after an instant; None where there is none. ``begun_us`` is when it came into the file."""

    @abstractmethod
    def form(self) -> dict[str, Any]:
        """What ``of_form`` makes the same schedule of."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseSchedule) and self.form() == other.form()

    def __hash__(self) -> int:
        return hash(repr(self))


class schedule(BaseSchedule):
    """Every so often, counted from when it came into the file; times that are real, whatever clocks show.

    ``run_every`` is seconds or a timedelta. ``relative`` begins with the last full second, minute, hour or day before
    that: the largest that the interval holds. Raises InvalidSchedule for one of less than 0.01 s.
    """

    def __init__(self, run_every: float | timedelta, relative: bool = False) -> None:
        length = run_every
        if isinstance(length, (int, float)) and not isinstance(length, bool):
            try:
                length = timedelta(seconds=length)
            except (OverflowError, ValueError):
                length = timedelta(0)
        if not isinstance(length, timedelta) or length < timedelta(microseconds=SHORTEST_US):
            raise InvalidSchedule(
                f"an interval is a number of seconds or a timedelta of 0.01 s or more, not {run_every!r:.80}"
            )
        self.run_every = length
        self.relative = bool(relative)

    @property
    def seconds(self) -> float:
        """The interval."""
        return self.run_every.total_seconds()

    def after_us(self, after_us: int, zone: str, begun_us: int) -> int | None:
        """The first time after an instant."""
        every = self.run_every // timedelta(microseconds=1)
        if self.relative:
            unit = next((unit for unit in _UNITS if every >= unit), 1)
            shift = 0
            if unit == _UNITS[0]:
                local = instant(begun_us).astimezone(zone_named(zone)).utcoffset() or timedelta()
                shift = local // timedelta(microseconds=1)
            begun_us = (begun_us + shift) // unit * unit - shift
        return begun_us + every * max(1, (after_us - begun_us) // every + 1)

    def form(self) -> dict[str, Any]:
        """As ``schedule``."""
        form: dict[str, Any] = {"every_us": self.run_every // timedelta(microseconds=1)}
        return {**form, "relative": True} if self.relative else form

    def __repr__(self) -> str:
        return f"<freq: {self.run_every}>"


class crontab(BaseSchedule):
    """At the times of a clock that fit all five fields; a day has to fit ``day_of_week`` and ``day_of_month``.

    Each field is a number, a text such as ``"*/15"``, ``"mon-fri"``, ``"1,15"`` or ``"22-5"``, or several of them. The
    clock is that of ``zone``, else of the app's ``timezone``. Raises InvalidSchedule for a field that is none and for
    times that never come.
    """

    def __init__(
        self,
        minute: Any = "*",
        hour: Any = "*",
        day_of_week: Any = "*",
        day_of_month: Any = "*",
        month_of_year: Any = "*",
        *,
        zone: str | None = None,
        app: Any = None,  # noqa: ARG002  Celery's: whoever declares the schedule knows the app
    ) -> None:
        # Only for those who use crontabs.
        from pyqueue import cron_fields  # noqa: PLC0415

        given = {
            "minute": minute,
            "hour": hour,
            "day_of_month": day_of_month,
            "month_of_year": month_of_year,
            "day_of_week": day_of_week,
        }
        self._fields = {name: cron_fields.field(name, value) for name, value in given.items()}
        for name, text in self._fields.items():
            setattr(self, name, cron_fields.numbers(name, text))
        if zone is not None:
            zone_named(zone)
        self.zone = zone
        times = cron_fields.times(self._fields.values())
        if times is None:
            raise InvalidSchedule(f"{self} never comes: no day fits all of its fields")
        self._times = times

    @classmethod
    def from_string(cls, text: str, *, zone: str | None = None) -> crontab:
        """Of a line of cron: minute, hour, day of the month, month, day of the week."""
        fields = text.split()
        if len(fields) != 5:
            raise InvalidSchedule(
                f"a crontab has five fields (minute, hour, day of the month, month, day of the week), not {text!r:.80}"
            )
        minute, hour, day_of_month, month_of_year, day_of_week = fields
        return cls(minute, hour, day_of_week, day_of_month, month_of_year, zone=zone)

    def after_us(self, after_us: int, zone: str, begun_us: int) -> int | None:  # noqa: ARG002
        """The first time after an instant."""
        where = zone_named(self.zone or zone)
        search = shown_after if self._fields["hour"] == "*" else named_after
        try:
            found = search(self._times.after, where, instant(after_us))
        except OverflowError:  # beyond the year 9999
            return None
        return None if found is None else us_of(found)

    def form(self) -> dict[str, Any]:
        """As ``crontab.from_string`` reads it."""
        form = {"cron": " ".join(self._fields.values())}
        return form if self.zone is None else {**form, "zone": self.zone}

    def __repr__(self) -> str:
        return f"<crontab: {' '.join(self._fields.values())} (m/h/dM/MY/d)>"


def solar(*_: Any, **__: Any) -> NoReturn:
    """Celery's; raises InvalidSchedule."""
    raise InvalidSchedule(
        "there are no solar schedules: compute the times with a library such as astral, and make a job for each with eta="
    )


def of_form(form: Mapping[str, Any]) -> BaseSchedule:
    """The schedule that a form is of. Raises InvalidSchedule for one that is not known here."""
    try:
        if "cron" in form:
            return crontab.from_string(form["cron"], zone=form.get("zone"))
        return schedule(timedelta(microseconds=form["every_us"]), form.get("relative", False))
    except (KeyError, TypeError, AttributeError, ArithmeticError):
        raise InvalidSchedule(f"a schedule of this form is not known here: {form!r:.120}") from None


def maybe_schedule(given: Any, relative: bool = False) -> BaseSchedule:
    """A schedule as it is, or one of seconds or a timedelta."""
    if isinstance(given, BaseSchedule):
        return given
    if isinstance(given, str):
        raise InvalidSchedule(
            f"a schedule is crontab(…), seconds or a timedelta, not {given!r:.80}; crontab.from_string reads a line of cron"
        )
    return schedule(given, relative)
