from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.moments import after_us, instant_us, length_us
from pyqueue.options import CallOptions, TaskOptions, call_defaults, merge, task_options


def test_what_the_call_says_wins_over_what_the_task_says() -> None:
    defaults = call_defaults(task_options({"queue": "mail", "priority": 3, "time_limit": 9}))
    assert merge(defaults, {}) is defaults
    assert merge(defaults, {"priority": -1}) == CallOptions(queue="mail", priority=-1, time_limit=9)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"'ques' is no option of a call; .*queue"):
        merge(CallOptions(), {"ques": "mail"})
    with pytest.raises(TypeError, match="'retries' is no option of a task"):
        task_options({"retries": 3})


def test_countdown_and_eta_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="not both"):
        merge(CallOptions(), {"countdown": 1, "eta": datetime.now(UTC)})


def test_lists_of_exceptions_are_taken() -> None:
    assert task_options({"autoretry_for": [OSError]}) == TaskOptions(autoretry_for=(OSError,))


def test_times_become_microseconds() -> None:
    assert length_us(1.5) == length_us(timedelta(seconds=1.5)) == 1_500_000
    assert length_us(-1) == 0
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert instant_us(moment) == instant_us(moment.replace(tzinfo=None)) == 1_704_067_200_000_000
    assert after_us(2, lambda: 10, "it") == after_us(timedelta(seconds=2), lambda: 10, "it") == 2_000_010
    assert after_us(moment, lambda: 10, "it") == 1_704_067_200_000_000


@pytest.mark.parametrize("far", [float("inf"), float("nan"), 1e300, timedelta.max])
def test_a_time_beyond_the_calendar_is_refused(far: float | timedelta) -> None:
    with pytest.raises(ValueError, match="beyond the year 9999"):
        length_us(far)


def test_the_farthest_and_the_earliest_instants_are_taken() -> None:
    assert instant_us(datetime.max) == 253_402_300_799_999_999
    assert instant_us(datetime.min) == 0


@pytest.mark.parametrize(
    "option", [{"acks_late": False}, {"serializer": "pickle"}, {"reject_on_worker_lost": False}]
)
def test_what_can_not_be_had_is_said_in_one_sentence(option: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match="can't be had: "):
        task_options(option)


def test_what_is_so_anyway_is_taken() -> None:
    task_options({"acks_late": True, "track_started": False, "serializer": "json", "rate_limit": "10/m"})


def test_exceptions_must_be_classes() -> None:
    assert task_options({"throws": OSError}).throws == (OSError,)
    with pytest.raises(TypeError, match="autoretry_for takes exception classes, not 'OSError'"):
        task_options({"autoretry_for": ["OSError"]})
    with pytest.raises(TypeError, match="'exc' is no option of retry_kwargs"):
        task_options({"retry_kwargs": {"exc": 1}})
