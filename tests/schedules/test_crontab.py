"""What a schedule may be, and that crontabs mean what Celery's mean."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery as Theirs
from celery.schedules import crontab as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqueue.exceptions import ImproperlyConfigured, InvalidSchedule
from pyqueue.schedules import crontab, maybe_schedule, of_form, schedule, solar
from pyqueue.wall_times import instant, us_of

APP = Theirs("parity", set_as_current=False, broker="memory://")
APP.conf.timezone = "UTC"

ALIKE: list[dict[str, Any]] = [
    {},
    {"minute": 0},
    {"minute": "*/15"},
    {"minute": "*/7"},
    {"minute": "1,13,30-45,50-59/2"},
    {"minute": {5, 50}},
    {"minute": [0, 30], "hour": range(8, 18)},
    {"minute": 0, "hour": "*/3"},
    {"minute": 0, "hour": "0,8-17/2"},
    {"minute": 0, "hour": "22-5"},
    {"minute": 0, "hour": "22-5/3"},
    {"minute": 30, "hour": 7, "day_of_week": "mon-fri"},
    {"minute": 30, "hour": 7, "day_of_week": "monday"},
    {"minute": 30, "hour": 7, "day_of_week": "fri-mon"},
    {"minute": 30, "hour": 7, "day_of_week": "*/2"},
    {"minute": 30, "hour": 7, "day_of_week": [0, 6]},
    {"minute": 0, "hour": 0, "day_of_month": 1},
    {"minute": 0, "hour": 0, "day_of_month": 31},
    {"minute": 0, "hour": 0, "day_of_month": "2-30/3"},
    {"minute": 0, "hour": 0, "day_of_month": "1-7,15-21", "day_of_week": "mon"},
    {"minute": 0, "hour": 0, "day_of_month": 13, "day_of_week": "fri"},
    {"minute": 0, "hour": 0, "day_of_month": 29, "month_of_year": 2},
    {"minute": 0, "hour": 0, "day_of_month": 1, "month_of_year": "*/3"},
    {"minute": 0, "hour": 12, "day_of_month": "*/5", "month_of_year": "jan-mar"},
    {"minute": 0, "hour": 12, "month_of_year": "nov-feb"},
    {"minute": "3-59/5", "hour": "1-23/2", "day_of_week": "1-5", "month_of_year": [3, 10]},
]


def next_of_theirs(fields: dict[str, Any], after: datetime) -> datetime:
    crontab = theirs(**fields, app=APP, nowfun=lambda: after)
    return after + crontab.remaining_estimate(after)


@pytest.mark.parametrize("fields", ALIKE, ids=str)
def test_the_times_are_celerys(fields: dict[str, Any]) -> None:
    ours = crontab(**fields)
    dice = random.Random(str(fields))
    for _ in range(20):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(4 * 365 * 86_400))
        for _ in range(3):
            expected = next_of_theirs(fields, at)
            found = ours.after_us(us_of(at), "UTC", 0)
            assert found is not None
            assert instant(found) == expected, at
            at = expected


@pytest.mark.parametrize("fields", ALIKE, ids=str)
def test_the_fields_are_celerys_and_the_form_brings_them_back(fields: dict[str, Any]) -> None:
    ours: Any = crontab(**fields)
    other: Any = theirs(**fields)
    for name in ("minute", "hour", "day_of_week", "day_of_month", "month_of_year"):
        assert getattr(ours, name) == getattr(other, name)
    assert of_form(ours.form()) == ours


def test_a_line_of_cron() -> None:
    assert crontab.from_string("30 7 * * 1-5") == crontab(30, 7, "mon-fri")
    assert crontab.from_string("0 0 1 1 *") == crontab(0, 0, day_of_month=1, month_of_year="jan")
    assert crontab(day_of_week=7) == crontab(day_of_week="sun")


def test_the_last_days_of_a_month_are_ours_alone() -> None:
    def days(**fields: Any) -> list[str]:
        at, found = us_of(datetime(2026, 1, 1, tzinfo=UTC)), []
        for _ in range(3):
            at = crontab(0, 0, **fields).after_us(at, "UTC", 0) or 0
            found.append(f"{instant(at):%m-%d}")
        return found

    assert days(day_of_month="L") == ["01-31", "02-28", "03-31"]
    assert days(day_of_month="LW") == ["01-30", "02-27", "03-31"]
    assert days(day_of_week="mon#1") == ["01-05", "02-02", "03-02"]
    assert days(day_of_week="5L") == ["01-30", "02-27", "03-27"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"minute": 60}, "minute=60"),
        ({"minute": -1}, "minute=-1"),
        ({"minute": "*/0"}, "minute="),
        ({"minute": ""}, "minute=''"),
        ({"minute": []}, "minute="),
        ({"minute": 1.5}, "minute=1.5"),
        ({"minute": True}, "minute=True"),
        ({"minute": None}, "minute=None"),
        ({"minute": "1,,2"}, "minute="),
        ({"minute": "mon"}, "minute="),
        ({"hour": 24}, "hour=24"),
        ({"hour": "noon"}, "hour="),
        ({"hour": "1" * 5_000}, "hour="),
        ({"day_of_week": "holiday"}, "day_of_week="),
        ({"day_of_week": "mon#6"}, "day_of_week="),
        ({"day_of_month": 0}, "day_of_month=0"),
        ({"month_of_year": 13}, "month_of_year=13"),
        ({"day_of_month": 30, "month_of_year": "feb"}, "never comes"),
        ({"day_of_month": 31, "month_of_year": [4, 6]}, "never comes"),
        ({"zone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"zone": "Europe"}, "no time zone"),
        ({"zone": "../../etc/passwd"}, "no time zone"),
        ({"zone": ""}, "no time zone"),
    ],
    ids=str,
)
def test_what_can_t_be_is_refused_in_a_sentence(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        crontab(**fields)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 250
    assert isinstance(refused.value, (ImproperlyConfigured, ValueError))


@pytest.mark.parametrize("line", ["", "* * * *", "* * * * * *", "@daily"])
def test_a_line_has_five_fields(line: str) -> None:
    with pytest.raises(InvalidSchedule, match="five fields"):
        crontab.from_string(line)


@pytest.mark.parametrize(
    "given", [0, -1, 0.0, 0.001, True, float("nan"), float("inf"), 1e30, timedelta(0), None, "60", object()]
)
def test_an_interval_is_a_length_of_time(given: Any) -> None:
    with pytest.raises(InvalidSchedule):
        maybe_schedule(given)


def test_solar_says_what_to_do() -> None:
    with pytest.raises(InvalidSchedule, match="eta="):
        solar("sunset", 52.5, 13.4)


def test_an_interval_is_counted_from_its_beginning() -> None:
    every = schedule(90)
    assert every.seconds == 90
    assert [every.after_us(at * 1_000_000, "UTC", 5_000_000) for at in (0, 5, 94, 95, 184, 1_000)] == [
        seconds * 1_000_000 for seconds in (95, 95, 95, 185, 185, 1_085)
    ]


@pytest.mark.parametrize(
    ("every", "first"),
    [
        (timedelta(hours=1), "2026-07-01T16:00+02:00"),
        (timedelta(minutes=10), "2026-07-01T15:47+02:00"),
        (timedelta(days=1), "2026-07-02T00:00+02:00"),
        (timedelta(seconds=30), "2026-07-01T15:37:42+02:00"),
    ],
)
def test_a_relative_one_begins_with_a_full_unit(every: timedelta, first: str) -> None:
    begun = us_of(datetime.fromisoformat("2026-07-01T15:37:12.25+02:00"))
    found = schedule(every, relative=True).after_us(begun, "Europe/Berlin", begun)
    assert found is not None
    assert instant(found) == datetime.fromisoformat(first)
    assert of_form(schedule(every, relative=True).form()) == schedule(every, relative=True)


def test_the_end_of_the_calendar_is_the_end() -> None:
    assert crontab(0, 0, zone="UTC").after_us(us_of(datetime(9999, 12, 31, tzinfo=UTC)), "UTC", 0) is None


FIELD = st.text(alphabet="0123456789*/-,#LWlw monfriju\x00é²", max_size=12) | st.text(max_size=8)


@settings(max_examples=400, deadline=None)
@given(FIELD, FIELD, FIELD, FIELD, FIELD)
def test_no_text_does_anything_but_be_refused_or_come(
    minute: str, hour: str, day_of_week: str, day_of_month: str, month: str
) -> None:
    for fields in (
        {"minute": minute},
        {"hour": hour},
        {"day_of_week": day_of_week},
        {"day_of_month": day_of_month},
        {"month_of_year": month},
    ):
        try:
            found = crontab(**fields, zone="Europe/Berlin")
        except InvalidSchedule:
            continue
        at = found.after_us(0, "UTC", 0)
        assert at is not None
        assert at > 0
        assert of_form(found.form()) == found
