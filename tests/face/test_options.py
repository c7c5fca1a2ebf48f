from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import ImproperlyConfigured, InvalidJob
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


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"bind": "x"}, "bind is true or false, not 'x'"),
        ({"ignore_result": "no"}, "ignore_result is true or false, not 'no'"),
        ({"acks_late": "yes"}, "acks_late is true or false, not 'yes'"),
        ({"retry_jitter": 1}, "retry_jitter is true or false, not 1"),
        ({"name": 5}, "name is a name, not 5"),
        ({"queue": ["mail"]}, r"queue is a name, not \['mail'\]"),
        ({"priority": 128}, "priority is a whole number from -128 to 127, not 128"),
        ({"priority": True}, "priority is a whole number from -128 to 127, not True"),
        ({"max_retries": "3"}, "max_retries is a whole number, or None for no end, not '3'"),
        (
            {"default_retry_delay": "3m"},
            "default_retry_delay is a number of seconds or a timedelta, not '3m'",
        ),
        ({"retry_backoff": "on"}, "retry_backoff is true, false or a number of seconds, not 'on'"),
        ({"retry_backoff_max": True}, "retry_backoff_max is a number of seconds, not True"),
        ({"retry_kwargs": 5}, "retry_kwargs is a dict, not 5"),
        ({"time_limit": "1h"}, "time_limit is a number of seconds or a timedelta, not '1h'"),
        ({"soft_time_limit": float("nan")}, "soft_time_limit is a number of seconds or a timedelta, not nan"),
        ({"expires": "soon"}, "expires is a number of seconds or a timedelta, not 'soon'"),
        ({"max_losses": 1.5}, "max_losses is a whole number, not 1.5"),
        ({"rate_limit": []}, r"rate_limit is a number of jobs a second or a text such as '10/m', not \[\]"),
    ],
    ids=str,
)
def test_an_option_of_a_task_is_refused_by_its_kind(option: dict[str, Any], why: str) -> None:
    with pytest.raises(TypeError, match=f"^a task can't have that: {why}$"):
        task_options(option)


@pytest.mark.parametrize("option", ["throws", "autoretry_for", "dont_autoretry_for"])
@pytest.mark.parametrize("classes", [5, OSError("no"), [OSError, "KeyError"]], ids=repr)
def test_what_is_no_exception_class_is_refused(option: str, classes: Any) -> None:
    with pytest.raises(TypeError, match=f"^{option} takes exception classes, not "):
        task_options({option: classes})


def test_none_is_the_default_and_follows_the_app() -> None:
    unsaid = dict.fromkeys(
        ("ignore_result", "queue", "priority", "acks_late", "serializer", "default_retry_delay")
    )
    assert task_options(unsaid) == TaskOptions()
    assert task_options({"max_retries": None}).max_retries is None

    app = PyQueue()
    app.conf.task_default_queue = "mail"

    @app.task(queue=None)  # type: ignore[call-overload]
    def send() -> None: ...

    assert app.tasks[send.name].given == frozenset()
    assert app._defaults_of(send.name).queue == "mail"


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"ignore_result": "no"}, "ignore_result is true or false, not 'no'"),
        ({"ignore_result": 0}, "ignore_result is true or false, not 0"),
        ({"priority": True}, "priority is a whole number, not True"),
        ({"countdown": True}, "countdown is a number of seconds or a timedelta, not True"),
        ({"time_limit": False}, "time_limit is a number of seconds or a timedelta, not False"),
        ({"queue": True}, "queue is a name, which is printable text, not True"),
    ],
    ids=str,
)
def test_a_flag_is_a_flag_and_nothing_else(option: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidJob, match=f"^a call can't have that: {why}$"):
        merge(CallOptions(), option)


def test_none_as_a_flag_of_a_call_is_what_the_task_says() -> None:
    quiet = CallOptions(ignore_result=True)
    assert merge(quiet, {"ignore_result": None, "retry": True}) == quiet
    assert merge(quiet, {"ignore_result": False}) == CallOptions()
