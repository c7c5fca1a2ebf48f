"""Jobs that run where they are made go through the same code and the same bytes."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pyqueue import Celery, PyQueue
from pyqueue.exceptions import EncodeError, ImproperlyConfigured, Reject, TaskFailed


class Oops(Exception):
    pass


@pytest.fixture
def eager(tmp_path: Path) -> Celery:
    return Celery("proj", broker=str(tmp_path / "jobs.db"), task_always_eager=True)


def add_to(app: PyQueue) -> Any:
    @app.task
    def add(x: Any, y: Any) -> Any:
        return x + y

    return add


def fail_in(app: PyQueue) -> Any:
    @app.task
    def fail() -> None:
        raise Oops("no")

    return fail


def test_eager_jobs_run_at_once_and_the_apps_file_is_not_made(eager: Celery, tmp_path: Path) -> None:
    add = add_to(eager)
    result = add.delay(2, 3)
    assert (result.get(), result.state, result.created) == (5, "SUCCESS", True)
    assert eager.AsyncResult(result.id).get() == 5
    assert [each.get() for each in eager.enqueue_many(add.s(n, n) for n in range(3))] == [0, 2, 4]
    assert add.chunks([(1, 1), (2, 2)], 1).delay().get() == [[2], [4]]
    assert not (tmp_path / "jobs.db").exists()


def test_arguments_and_results_are_written_and_read(eager: Celery) -> None:
    add = add_to(eager)
    assert add.delay((1,), [2]).get() == [1, 2]
    with pytest.raises(EncodeError):
        add.delay(object(), 1)

    @eager.task
    def unwritable() -> object:
        return object()

    with pytest.raises(EncodeError):
        unwritable.delay().get()


def test_delays_and_limits_are_left_out(eager: Celery) -> None:
    add = add_to(eager)
    later = datetime.now(UTC) + timedelta(days=1)
    for options in ({"countdown": 3600}, {"eta": later}, {"soft_time_limit": 0.001}, {"queue": "q"}):
        assert add.apply_async((1, 2), **options).get() == 3


def test_an_error_is_in_the_result_or_raised(eager: Celery) -> None:
    fail = fail_in(eager)
    result = fail.delay()
    assert result.state == "FAILURE"
    with pytest.raises(Oops):
        result.get()
    eager.conf.task_eager_propagates = True
    with pytest.raises(Oops):
        fail.delay()


def test_a_task_that_nobody_knows_fails_as_in_a_worker(eager: Celery) -> None:
    result = eager.send_task("nobody.knows")
    assert result.state == "FAILURE"
    assert "nobody.knows" in str(result.get(propagate=False))


def test_tasks_may_make_and_await_jobs_there(eager: Celery) -> None:
    add = add_to(eager)

    @eager.task
    def outer(n: int) -> Any:
        return add.delay(n, 1).get() + add.delay(n, 2).get()

    assert outer.delay(1).get() == 5


def test_a_job_that_makes_itself_again_does_not_wait_for_itself(eager: Celery) -> None:
    @eager.task
    def again(depth: int) -> int:
        again.apply_async((depth + 1,), dedup_key="one")
        return depth

    assert again.apply_async((0,), dedup_key="one").get() == 0


def test_retries_follow_at_once_and_are_counted(eager: Celery) -> None:
    @eager.task(bind=True, max_retries=3, default_retry_delay=3_600)
    def third_time(self: Any) -> list[Any]:
        if self.request.retries < 2:
            raise self.retry(exc=Oops("not yet"))
        return [self.request.retries, self.request.is_eager, self.request.called_directly]

    @eager.task(autoretry_for=(Oops,), max_retries=2, retry_backoff=600)
    def never() -> None:
        raise Oops("never")

    assert third_time.delay().get() == [2, True, False]
    result = never.delay()
    assert [each.outcome for each in result.attempts()] == ["retry", "retry", "failure"]
    with pytest.raises(Oops):
        result.get()


def test_a_job_that_is_rejected_for_another_worker_ends(eager: Celery) -> None:
    @eager.task
    def reject() -> None:
        raise Reject("not here", requeue=True)

    assert reject.delay().state == "REVOKED"


def test_threads_get_their_own_results(eager: Celery) -> None:
    add = add_to(eager)
    found: dict[int, list[int]] = {}

    def work(number: int) -> None:
        found[number] = [add.delay(number, n).get() for n in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [number + n for n in range(20)] for number in range(4)}


def test_ctrl_c_inside_of_a_task_is_the_callers(eager: Celery) -> None:
    @eager.task
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted.delay()


def test_a_forked_process_has_a_file_of_its_own(eager: Celery) -> None:
    add = add_to(eager)
    add.delay(1, 1)
    place = eager.in_place
    assert place is not None
    child = os.fork()
    if child == 0:
        own = eager.in_place
        right = own is not None and own is not place and add.delay(2, 2).get() == 4
        if own is not None:
            own.close()
        # Not 0: that is what a process ends with that ends too early.
        os._exit(7 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert add.delay(3, 3).get() == 6


def test_the_block_for_tests_raises_and_leaves_nothing(app: PyQueue, tmp_path: Path) -> None:
    add, fail = add_to(app), fail_in(app)
    with app.testing() as same:
        assert same is app
        path = app.store.path
        assert path != app.path
        result = add.delay(1, 2)
        assert result.get() == 3
        with pytest.raises(Oops):
            fail.delay()
        with app.testing(propagate=False):
            assert fail.delay().state == "FAILURE"
            assert app.AsyncResult(result.id).state == "UNKNOWN"
        assert app.AsyncResult(result.id).state == "SUCCESS"
    assert not Path(path).exists()
    assert list(tmp_path.iterdir()) == []
    assert add.delay(1, 2).state == "PENDING"


def test_a_worker_for_jobs_that_never_come_is_refused(eager: Celery) -> None:
    with pytest.raises(ImproperlyConfigured, match="task_always_eager"), eager.worker(target="x:y"):
        pass


def test_an_exception_class_of_the_caller_is_kept(eager: Celery) -> None:
    @eager.task
    def fail() -> None:
        class Local(Exception):
            pass

        raise Local("inside")

    error = fail.delay().get(propagate=False)
    assert isinstance(error, TaskFailed)
    assert "inside" in str(error)
