"""When the clock is put forward or back: the table of docs/schedules.md, and every day of a year beside a count."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from calendar_of import ZONES, Fits, every_hour, named, utc

from pyqueue.schedules import crontab
from pyqueue.wall_times import instant, us_of

PAGE = (Path(__file__).parent.parent.parent / "docs" / "schedules.md").read_text()
TABLE = PAGE[PAGE.index("<!-- the table -->") : PAGE.index("<!-- end -->")]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if line.startswith("| `")
]


def times_of(schedule: crontab, start: datetime, end: datetime) -> list[datetime]:
    found = []
    at = schedule.after_us(us_of(start) - 1, "UTC", 0)
    while at is not None and at < us_of(end):
        found.append(instant(at))
        at = schedule.after_us(at, "UTC", 0)
    return found


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]} {row[1]} {row[2][:10]}" for row in ROWS])
def test_the_table_of_the_page_holds(row: list[str]) -> None:
    line, zone, night, told = row
    where = ZoneInfo(zone)
    start = datetime.fromisoformat(night[:10]).replace(tzinfo=where)
    found = times_of(crontab.from_string(line.strip("`"), zone=zone), start, start + timedelta(days=1))
    shown = [f"{at.astimezone(where):%H:%M%z}" for at in found]
    expected = re.findall(r"(\d\d:\d\d)([+-]\d\d):(\d\d)", told)
    wanted = ["".join(each) for each in expected]
    assert shown[: len(wanted)] == wanted
    assert len(shown) == len(wanted) or told.endswith("…")


def test_the_page_has_a_gap_a_fold_and_half_an_hour() -> None:
    assert len(ROWS) == 7


@pytest.mark.parametrize("zone", ZONES)
def test_named_times_come_once_a_day(zone: str) -> None:
    dice = random.Random(zone)
    start, end = utc(2026, 1, 1), utc(2027, 1, 1)
    hours = {0, 1, 2, 3, dice.randrange(24)}
    minute = dice.choice([0, 15, 30, 45])
    schedule = crontab(minute, hours, zone=zone)
    assert times_of(schedule, start, end) == named(
        zone, start, end, lambda at: at.minute == minute and at.hour in hours
    )


@pytest.mark.parametrize("zone", ZONES)
def test_times_of_every_hour_come_whenever_the_clock_shows_them(zone: str) -> None:
    dice = random.Random(zone)
    start, end = utc(2026, 1, 1), utc(2027, 1, 1)
    minutes = set(dice.sample([0, 15, 30, 45], 2))
    days = set(dice.sample(range(7), 2)) | {0}

    def fits(at: datetime) -> bool:
        return at.minute in minutes and at.isoweekday() % 7 in days

    assert times_of(crontab(minutes, "*", days, zone=zone), start, end) == every_hour(zone, start, end, fits)


def test_the_count_sees_what_a_plain_calendar_does() -> None:
    """The control arm: a calendar that does not look at offsets differs in each zone whose clock changes at night."""
    start, end = utc(2026, 1, 1), utc(2027, 1, 1)
    fits: Fits = lambda at: (at.hour, at.minute) == (2, 30)  # noqa: E731
    counted = named("Europe/Berlin", start, end, fits)
    plain = every_hour("Europe/Berlin", start, end, fits)
    assert len(counted) == 365
    assert len(set(plain)) == 365
    assert counted != plain


def test_a_day_that_a_zone_left_out_has_its_time_at_its_end() -> None:
    """Samoa went over the date line: there was no 30th of December 2011."""
    found = times_of(crontab(0, 12, zone="Pacific/Apia"), utc(2011, 12, 29), utc(2011, 12, 31, 20))
    local = [f"{at.astimezone(ZoneInfo('Pacific/Apia')):%d %H:%M}" for at in found]
    assert local == ["29 12:00", "31 00:00", "31 12:00"]


def test_any_instant_near_a_change_has_a_next_time() -> None:
    """Also one between two seconds."""
    change = us_of(utc(2026, 10, 25, 1))
    for schedule in (crontab(zone="Europe/Berlin"), crontab(30, "*/2", zone="Europe/Berlin")):
        for off in (-1_500_001, -1_000_000, -500_000, -1, 0, 1, 400_000, 999_999, 1_500_000):
            found = schedule.after_us(change + off, "UTC", 0)
            assert found is not None
            assert found > change + off
