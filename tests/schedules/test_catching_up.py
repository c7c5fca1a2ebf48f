"""What is fired of the times that were missed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pyqueue.catching_up import MOST, Step, steps
from pyqueue.options import CallOptions
from pyqueue.periodic import Periodic, Rules
from pyqueue.schedules import schedule

SECOND = 1_000_000
MINUTE = 60 * SECOND


def every_minute(**rules: Any) -> Periodic:
    return Periodic("s", schedule(60), "t", (), {}, CallOptions(), Rules(**rules), 0)


def times(plan: list[Step]) -> list[float]:
    return [step.time_us / MINUTE for step in plan if step.fires]


def accounted(periodic: Periodic, plan: list[Step], next_us: int) -> int:
    """How many times the row moves over, by what it counts; and that each step stands where the one before has led."""
    place: int | None = next_us
    for step in plan:
        assert step.expected_us == place
        place = None if step.next is None else step.next[0]
        assert place is None or place > step.time_us >= step.expected_us
    return sum(step.skipped + 1 for step in plan)


@pytest.mark.parametrize(
    ("rules", "late", "fired"),
    [
        ({}, 0, [10]),
        ({}, 0.5, [10]),
        ({}, 5, [15]),
        ({"catch_up": "all"}, 5, [10, 11, 12, 13, 14, 15]),
        ({"catch_up": "skip"}, 0, [10]),
        ({"catch_up": "skip"}, 5, [15]),
        ({"catch_up": "skip"}, 5.9, [15]),
        ({"catch_up": "skip", "deadline_us": 30 * SECOND}, 5.4, [15]),
        ({"catch_up": "skip", "deadline_us": 30 * SECOND}, 5.6, []),
        ({"catch_up": "one", "deadline_us": 30 * SECOND}, 5.6, []),
        ({"catch_up": "all", "deadline_us": 2 * MINUTE}, 5.5, [14, 15]),
        ({"catch_up": "all", "until_us": 12 * MINUTE}, 5, [10, 11, 12]),
        ({"catch_up": "one", "until_us": 12 * MINUTE}, 5, [12]),
    ],
)
def test_catching_up(rules: dict[str, Any], late: float, fired: list[int]) -> None:
    periodic = every_minute(**rules)
    plan = steps(periodic, 10 * MINUTE, round((10 + late) * MINUTE))
    assert times(plan) == fired
    missed = 3 if "until_us" in rules else int(late) + 1
    assert accounted(periodic, plan, 10 * MINUTE) == missed
    assert (plan[-1].next is None) == ("until_us" in rules)


def test_nothing_is_done_before_its_time() -> None:
    assert steps(every_minute(), 10 * MINUTE, 10 * MINUTE - 1) == []


def test_all_is_bounded_and_the_last_are_kept() -> None:
    periodic = every_minute(catch_up="all")
    plan = steps(periodic, MINUTE, 5_000 * MINUTE)
    assert times(plan) == list(range(5_001 - MOST, 5_001))
    assert accounted(periodic, plan, MINUTE) == 5_000


@pytest.mark.parametrize("catch_up", ["one", "all", "skip"])
def test_years_of_seconds_are_not_counted_one_by_one(catch_up: Any) -> None:
    periodic = every_minute(catch_up=catch_up)._replace(when=schedule(timedelta(seconds=1)))
    now = 2 * 365 * 86_400 * SECOND
    plan = steps(periodic, SECOND, now)
    assert [step.time_us for step in plan][-1] == now
    assert len(plan) == (MOST if catch_up == "all" else 1)
    assert plan[-1].next == (now + SECOND, now + SECOND)
    accounted(periodic, plan, SECOND)


def test_jitter_is_the_same_for_everybody_and_spread_out() -> None:
    periodic = every_minute(jitter_us=30 * SECOND)
    offs = [periodic.due_us(at * MINUTE) - at * MINUTE for at in range(1, 401)]
    assert offs == [periodic.due_us(at * MINUTE) - at * MINUTE for at in range(1, 401)]
    assert min(offs) >= 0
    assert 29 * SECOND < max(offs) <= 30 * SECOND
    assert len(set(offs)) > 390
    assert offs != [periodic._replace(name="other").due_us(at * MINUTE) - at * MINUTE for at in range(1, 401)]


def test_jitter_counts_before_a_time_is_due_and_for_its_deadline() -> None:
    periodic = every_minute(jitter_us=30 * SECOND, deadline_us=SECOND)
    due = periodic.due_us(10 * MINUTE)
    assert steps(periodic, 10 * MINUTE, due - 1) == []
    assert times(steps(periodic, 10 * MINUTE, due)) == [10]
    assert times(steps(periodic, 10 * MINUTE, due + SECOND)) == [10]
    assert times(steps(periodic, 10 * MINUTE, due + SECOND + 1)) == []
