from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pyqueue import PyQueue, current_task
from pyqueue.exceptions import (
    EncodeError,
    ImproperlyConfigured,
    InvalidJob,
    MaxRetriesExceededError,
    NotRegistered,
    Retry,
)
from pyqueue.moments import seconds_until
from pyqueue.serialization import decode_call
from pyqueue.task import Task


def add(x: int, y: int) -> int:
    return x + y


@pytest.fixture
def add_task(app: PyQueue) -> Task[..., int]:
    return app.task(add)


def test_an_app_makes_no_file_before_the_first_job(tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "jobs.db")
    task = app.task(add)
    task.s(1, 2)
    assert app.store.path == str(tmp_path / "jobs.db")
    assert list(tmp_path.iterdir()) == []
    task.delay(1, 2)
    assert (tmp_path / "jobs.db").exists()


def test_the_path_comes_from_the_constructor_else_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYQUEUE_DB", str(tmp_path / "env.db"))
    assert PyQueue().path == str(tmp_path / "env.db")
    assert PyQueue(tmp_path / "own.db").path == str(tmp_path / "own.db")
    monkeypatch.delenv("PYQUEUE_DB")
    with pytest.raises(ImproperlyConfigured, match="PYQUEUE_DB"):
        _ = PyQueue().path


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = PyQueue("jobs.db")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert app.path == str(tmp_path / "jobs.db")


@pytest.mark.parametrize("wrong", [{"durability": "fast"}, {"visibility_timeout": 0}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ImproperlyConfigured):
        PyQueue("x.db", **wrong)  # type: ignore[arg-type]


def test_a_task_still_is_its_function(add_task: Task[..., int]) -> None:
    assert add_task(2, 3) == add_task.call_local(2, 3) == 5
    assert add_task.__name__ == "add"
    assert add_task.__wrapped__ is add  # type: ignore[attr-defined]


def test_a_generator_is_refused(app: PyQueue) -> None:
    def count() -> Iterator[int]:
        yield 1

    async def acount() -> AsyncIterator[int]:
        yield 1

    for each in (count, acount):
        with pytest.raises(ImproperlyConfigured, match="is a generator"):
            app.task(each)  # type: ignore[arg-type]


def test_a_job_carries_what_the_call_said(app: PyQueue, add_task: Task[..., int]) -> None:
    add_task.apply_async((1,), {"y": 2}, queue="mail", priority=5, time_limit=9, soft_time_limit=4)
    job = app.store.claim(app.store.join("test", 1, 30_000_000), 1)[0]
    assert (job.task, job.queue, job.priority) == (add_task.name, "mail", 5)
    assert (job.time_limit_us, job.soft_time_limit_us) == (9_000_000, 4_000_000)
    assert decode_call(job.body)[:2] == ([1], {"y": 2})


def test_a_later_job_is_not_there_yet(app: PyQueue, add_task: Task[..., int]) -> None:
    for options in ({"countdown": 60}, {"countdown": timedelta(hours=1)}):
        add_task.apply_async((1, 2), **options)  # type: ignore[arg-type]
    add_task.apply_async((1, 2), eta=datetime.now(UTC) + timedelta(hours=1))
    assert app.store.claim(app.store.join("test", 1, 30_000_000), 5) == []


def test_a_dedup_key_makes_one_job(app: PyQueue, add_task: Task[..., int]) -> None:
    first = add_task.apply_async((1, 2), dedup_key="user:42")
    second = add_task.apply_async((3, 4), dedup_key="user:42")
    other = add_task.apply_async((3, 4), dedup_key="user:43")
    assert (first.created, second.created, other.created) == (True, False, True)
    assert first.id == second.id != other.id


def test_a_callers_id_is_kept(app: PyQueue, add_task: Task[..., int]) -> None:
    assert add_task.apply_async((1, 2), task_id="mine").id == "mine"
    assert app.AsyncResult("mine").state == "PENDING"


def test_many_jobs_are_made_at_once_in_order(app: PyQueue, add_task: Task[..., int]) -> None:
    results = app.enqueue_many(add_task.s(n, n) for n in range(10))
    jobs = app.store.claim(app.store.join("test", 1, 30_000_000), 10)
    assert [job.id for job in jobs] == [result.id for result in results]
    assert app.enqueue_many([]) == []


def test_of_many_jobs_with_one_bad_none_is_made(app: PyQueue, add_task: Task[..., int]) -> None:
    with pytest.raises(EncodeError, match="set"):
        app.enqueue_many([add_task.s(1, 2), add_task.s({1}, 2)])
    with pytest.raises(InvalidJob):
        app.enqueue_many([add_task.s(1, 2), add_task.s(1, 2).set(priority=1_000)])
    assert sum(queue.waiting for queue in app.store.queues()) == 0


def test_arguments_that_are_no_json_are_refused_by_the_callers_line(add_task: Task[..., int]) -> None:
    with pytest.raises(EncodeError, match=rf"the call of {add_task.name} .* object"):
        add_task.delay(object(), 1)


def test_an_unknown_option_is_refused(app: PyQueue, add_task: Task[..., int]) -> None:
    with pytest.raises(TypeError, match="no option of a call"):
        add_task.apply_async((1, 2), quee="mail")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option of a task"):
        app.task(max_retrys=3)(add)  # type: ignore[call-overload]


def test_a_missing_task_is_named_with_its_neighbours(app: PyQueue, add_task: Task[..., int]) -> None:
    with pytest.raises(NotRegistered, match=f"near it are: {add_task.name}"):
        app.tasks[add_task.name + "s"]


def test_a_file_in_use_is_not_exchanged(app: PyQueue, tmp_path: Path) -> None:
    app.use(app.path)
    _ = app.store
    app.use(app.path)
    with pytest.raises(ImproperlyConfigured, match="in use"):
        app.use(tmp_path / "other.db")


def test_apply_runs_in_place_as_a_worker_would_see_it(app: PyQueue) -> None:
    @app.task(bind=True)
    def look(self: Task[..., object], n: int) -> list[object]:
        return [n, self.request.is_eager, self.request.called_directly, current_task.name, bool(current_task)]

    assert look.apply((1,)).get() == [1, True, False, look.name, True]
    assert not current_task
    with pytest.raises(AttributeError, match="no task is running"):
        _ = current_task.name

    @app.task
    def fail() -> None:
        raise ValueError("no")

    result = fail.apply()
    assert (result.state, result.failed(), result.successful()) == ("FAILURE", True, False)
    with pytest.raises(ValueError, match="no"):
        result.get()


def test_retry_outside_of_a_job_raises_the_error_itself(app: PyQueue) -> None:
    @app.task(bind=True)
    def fetch(self: Task[..., object], exc: Exception | None) -> None:
        self.retry(exc=exc, countdown=1)

    with pytest.raises(OSError, match="gone"):
        fetch(OSError("gone"))
    with pytest.raises(MaxRetriesExceededError, match="no job"):
        fetch(None)
    assert isinstance(fetch.apply((OSError("gone"),)).result, OSError)


def test_retry_counts_and_gives_up(app: PyQueue) -> None:
    from pyqueue import request

    @app.task(bind=True, max_retries=2, default_retry_delay=7)
    def fetch(self: Task[..., object]) -> None: ...

    def with_retries(retries: int, act: Callable[[], object]) -> None:
        with request.running(fetch, request.Context(id="x", retries=retries, called_directly=False)):
            act()

    with pytest.raises(Retry) as caught:
        with_retries(1, fetch.retry)
    assert caught.value.when == 7
    with pytest.raises(MaxRetriesExceededError, match="2 retries"):
        with_retries(2, fetch.retry)
    with pytest.raises(Retry) as caught:
        with_retries(2, lambda: fetch.retry(max_retries=3, eta=datetime.now(UTC) + timedelta(seconds=30)))
    assert seconds_until(caught.value.when) == pytest.approx(30, abs=1)
