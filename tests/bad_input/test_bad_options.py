from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import rows, said, unchanged

from pyqueue import PyQueue
from pyqueue.exceptions import DuplicateJob, ImproperlyConfigured, InvalidJob
from pyqueue.task import Task


@pytest.fixture
def call(app: PyQueue) -> Task[..., Any]:
    @app.task(name="shop.send")
    def send(what: Any = None) -> Any:
        return what

    send.delay("an earlier job")
    return send


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def claimable(app: PyQueue) -> int:
    return len(app.store.claim(app.store.join("test", 1, 30_000_000), 10))


@pytest.mark.parametrize("option", ["queue", "task_id", "dedup_key"])
@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b", "\ud800", 5, b"mail"], ids=repr)
def test_a_name_that_can_not_be_is_refused(call: Task[..., Any], db: Path, option: str, name: Any) -> None:
    with unchanged(db):
        with pytest.raises(InvalidJob) as caught:
            call.apply_async((1,), **{option: name})  # type: ignore[misc]
        said(caught.value, happened="queue|task_id|dedup", do="characters|printable text")


@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b"], ids=repr)
def test_a_task_name_that_can_not_be_is_refused(
    app: PyQueue, call: Task[..., Any], db: Path, name: Any
) -> None:
    with unchanged(db), pytest.raises(InvalidJob, match="a task's name has 1 to 255 characters"):
        app.send_task(name)


@pytest.mark.parametrize("priority", [128, -129, 10**30, 1.5, "high", None], ids=repr)
def test_a_priority_out_of_range_is_refused(call: Task[..., Any], db: Path, priority: Any) -> None:
    with unchanged(db):
        with pytest.raises(InvalidJob) as caught:
            call.apply_async((1,), priority=priority)
        said(caught.value, happened="priority is", do="-128 to 127|a whole number")


def test_the_ends_of_the_range_of_priorities_are_in_it(app: PyQueue, call: Task[..., Any]) -> None:
    last, first = (call.apply_async((n,), priority=n).id for n in (-128, 127))
    jobs = app.store.claim(app.store.join("test", 1, 30_000_000), 10)
    assert (jobs[0].id, jobs[-1].id) == (first, last)


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": math.nan},
        {"countdown": math.inf},
        {"countdown": 1e30},
        {"countdown": "5"},
        {"expires": 1e30},
        {"expires": "soon"},
        {"eta": "tomorrow"},
        {"eta": 5},
        {"headers": "x"},
        {"link": 5},
        {"eta": date(2030, 1, 1)},
        {"time_limit": math.inf},
        {"soft_time_limit": "5"},
        {"dedup_window": "a day", "dedup_key": "k"},
        {"max_losses": 2**40},
        {"max_losses": "many"},
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_kind_is_refused_by_the_options_name(
    call: Task[..., Any], db: Path, options: dict[str, Any]
) -> None:
    name = next(iter(options))
    with unchanged(db):
        with pytest.raises(InvalidJob) as caught:
            call.apply_async((1,), **options)
        said(
            caught.value,
            happened=rf"shop\.send can't be called so: {name} is",
            do="a (number|datetime|whole|dict|signature)",
        )


@pytest.mark.parametrize("options", [{"time_limit": 0}, {"soft_time_limit": -1}, {"max_losses": 0}], ids=repr)
def test_a_limit_of_nothing_is_refused(call: Task[..., Any], db: Path, options: dict[str, Any]) -> None:
    with unchanged(db), pytest.raises(InvalidJob, match="must be"):
        call.apply_async((1,), **options)


@pytest.mark.parametrize("countdown", [-5, timedelta(days=-1), -0.0])
def test_a_negative_countdown_is_now(app: PyQueue, call: Task[..., Any], countdown: Any) -> None:
    call.apply_async((1,), countdown=countdown)
    assert claimable(app) == 2


@pytest.mark.parametrize(
    "eta",
    [datetime(1999, 1, 1), datetime(1, 1, 1), datetime(1999, 1, 1, tzinfo=timezone(timedelta(hours=14)))],
    ids=str,
)
def test_a_past_eta_is_now(app: PyQueue, call: Task[..., Any], eta: datetime) -> None:
    call.apply_async((1,), eta=eta)
    assert claimable(app) == 2


@pytest.mark.parametrize("eta", [datetime.max, datetime(9999, 12, 31, tzinfo=UTC)], ids=str)
def test_an_eta_in_the_year_9999_waits_and_blocks_nobody(
    app: PyQueue, call: Task[..., Any], eta: datetime
) -> None:
    far = call.apply_async((1,), eta=eta)
    assert claimable(app) == 1
    assert app.store.view(far.id).state == "delayed"
    assert far.revoke()


def test_a_naive_datetime_is_utc_wherever_the_machine_stands(
    app: PyQueue, call: Task[..., Any], db: Path
) -> None:
    instant = datetime(2099, 1, 1, 12)
    for eta in (instant, instant.replace(tzinfo=UTC)):
        call.apply_async((1,), eta=eta)
    side = rows(db)["pyqueue_side"]
    assert [row[2] for row in side] == [round(instant.replace(tzinfo=UTC).timestamp() * 1e6)] * 2


def test_countdown_and_eta_contradict_each_other(call: Task[..., Any], db: Path) -> None:
    with unchanged(db), pytest.raises(ValueError, match="countdown or eta, not both"):
        call.apply_async((1,), countdown=1, eta=datetime(2099, 1, 1))


@pytest.mark.parametrize(
    "options", [{"dedup": "refuse"}, {"dedup": "return"}, {"dedup_window": 60}], ids=repr
)
def test_what_becomes_of_a_key_is_refused_where_there_is_none(
    call: Task[..., Any], db: Path, options: dict[str, Any]
) -> None:
    (name,) = options
    with unchanged(db):
        for make in (call.apply_async, call.s().set(**options).apply_async):
            with pytest.raises(ValueError, match=f"^{name} says what becomes of a dedup_key") as caught:
                make((1,), **options)
            said(caught.value, happened="none is given", do="add dedup_key")


def test_the_key_may_come_with_the_call_and_the_rest_with_the_signature(call: Task[..., Any]) -> None:
    once = call.s(1).set(dedup="refuse", dedup_window=60)
    once.apply_async(dedup_key="k")
    with pytest.raises(DuplicateJob):
        once.apply_async(dedup_key="k")
    assert call.apply_async((1,), dedup_key=None, dedup_window=None).created


def test_a_second_job_of_one_task_id_is_not_made(call: Task[..., Any], db: Path) -> None:
    first = call.apply_async((1,), task_id="mine")
    with unchanged(db):
        second = call.apply_async((2,), task_id="mine")
    assert (first.created, second.created, second.id) == (True, False, "mine")


def test_an_unknown_option_is_refused_with_the_known_ones(
    app: PyQueue, call: Task[..., Any], db: Path
) -> None:
    with unchanged(db):
        with pytest.raises(TypeError) as caught:
            call.apply_async((1,), quee="mail")  # type: ignore[call-arg]
        said(caught.value, happened="'quee' is no option of a call", do="there are: .*queue")
    with pytest.raises(TypeError, match="autoretry_for takes exception classes, not 'OSError'"):
        app.task(autoretry_for=["OSError"])  # type: ignore[call-overload]


def test_two_functions_of_one_name_are_refused(app: PyQueue, call: Task[..., Any], db: Path) -> None:
    def other() -> None: ...

    with unchanged(db):
        with pytest.raises(ImproperlyConfigured) as caught:
            app.task(name="shop.send")(other)
        said(caught.value, happened="two functions are named shop.send", do="give one of them another name")
    assert call.delay(1).created
