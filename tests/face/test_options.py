from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pyqueue.message import _expiry_us, _instant_us, _length_us
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
    assert _length_us(1.5) == _length_us(timedelta(seconds=1.5)) == 1_500_000
    assert _length_us(-1) == 0
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert _instant_us(moment) == _instant_us(moment.replace(tzinfo=None)) == 1_704_067_200_000_000
    assert _expiry_us(2, lambda: 10) == _expiry_us(timedelta(seconds=2), lambda: 10) == 2_000_010
    assert _expiry_us(moment, lambda: 10) == 1_704_067_200_000_000
