from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from pyqueue import PyQueue, current_task
from pyqueue._core import NewJob
from pyqueue.exceptions import SoftTimeLimitExceeded
from pyqueue.result import AsyncResult
from pyqueue.retrying import backoff, delay_after
from pyqueue.task import Task
from pyqueue.worker.soft_limit import ByThread, SoftLimit

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


def error_of(result: AsyncResult[Any]) -> str:
    failure = result._store.view(result.id).failure
    assert failure is not None
    return failure.error


def test_the_task_sees_its_request(app: PyQueue, once: Once) -> None:
    @app.task(bind=True, time_limit=9)
    def look(self: Task[..., object], n: int) -> list[object]:
        request = self.request
        assert current_task.name == self.name
        return [
            request.id,
            request.retries,
            request.attempt,
            request.args,
            request.hostname,
            request.timelimit,
            request.delivery_info,
            request.called_directly,
        ]

    result = once(look.apply_async((1,), queue="mail", priority=3))
    assert result.get(timeout=5) == [
        result.id,
        0,
        1,
        [1],
        "here",
        [9.0, None],
        {"exchange": "", "routing_key": "mail", "priority": 3, "redelivered": False},
        False,
    ]


def test_chunks_are_one_job_and_one_list(app: PyQueue, once: Once) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    group = add.chunks([(n, n) for n in range(3)], 2).delay()
    for result in group.results:
        once(result)  # type: ignore[arg-type]
    assert group.get(timeout=5) == [[0, 2], [4]]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_whatever_is_raised_fails_the_job_and_not_the_child(app: PyQueue, once: Once, error: Any) -> None:
    @app.task
    def fail() -> None:
        raise error

    result = once(fail.delay())
    assert result.state == "FAILURE"
    assert error_of(result) == f"builtins.{type(error).__name__}"


def test_a_result_that_is_no_json_fails_the_job_by_name(app: PyQueue, once: Once) -> None:
    @app.task
    def give() -> set[int]:
        return {1}

    result = once(give.delay())
    assert error_of(result) == "pyqueue.exceptions.EncodeError"
    assert "contains a set" in str(result.result)


def test_an_ignored_result_is_not_kept(app: PyQueue, once: Once) -> None:
    @app.task(ignore_result=True)
    def give() -> set[int]:
        return {1}

    assert once(give.delay()).get(timeout=5) is None


def test_a_task_that_is_not_known_here_fails_with_near_names(app: PyQueue, once: Once) -> None:
    @app.task(name="app.add")
    def add() -> None: ...

    result = once(app.send_task("app.ad"))
    assert error_of(result) == "pyqueue.exceptions.NotRegistered"
    assert "near it are: app.add" in str(result.result)


@pytest.mark.parametrize("body", [b"", b"\x80\x04.", b'{"v":99,"args":[],"kwargs":{}}', b"[" * 100_000])
def test_a_message_that_can_not_be_read_fails_the_job(app: PyQueue, once: Once, body: bytes) -> None:
    @app.task(name="app.add", autoretry_for=(Exception,))
    def add() -> None: ...

    id = app.store.enqueue([NewJob("app.add", body)])[0][0]
    assert error_of(once(app.AsyncResult(id))) == "pyqueue.exceptions.DecodeError"


def test_a_wrong_call_fails_the_job(app: PyQueue, once: Once) -> None:
    @app.task
    def add(x: int) -> None: ...

    assert error_of(once(app.send_task(add.name))) == "builtins.TypeError"


def test_autoretry_waits_then_tries_again_then_gives_up(app: PyQueue, once: Once) -> None:
    @app.task(max_retries=1, autoretry_for=(OSError,), retry_backoff=0.001)
    def fail() -> None:
        raise OSError(5, "bad sector")

    result = once(fail.delay())
    assert (result.state, result.retries) == ("RETRY", 1)
    assert isinstance(result.result, OSError)
    time.sleep(0.005)
    once(result)
    assert (result.state, result.retries) == ("FAILURE", 1)
    assert [each.outcome for each in result.attempts()] == ["retry", "failure"]


def test_self_retry_keeps_its_reason(app: PyQueue, once: Once) -> None:
    @app.task(bind=True)
    def fail(self: Task[..., object]) -> None:
        try:
            raise OSError(5, "bad sector")
        except OSError as error:
            self.retry(exc=error, countdown=60)

    result = once(fail.delay())
    assert result.state == "RETRY"
    assert error_of(result) == "builtins.OSError"


def test_the_soft_limit_raises_in_the_task_which_may_clean_up(app: PyQueue, once: Once) -> None:
    @app.task(soft_time_limit=0.05)
    def stuck(tidy: bool) -> str:
        try:
            time.sleep(10)
        except SoftTimeLimitExceeded:
            if tidy:
                return "tidied"
            raise
        return "never"

    start = time.monotonic()
    assert once(stuck.delay(True)).get(timeout=5) == "tidied"
    assert error_of(once(stuck.delay(False))) == "pyqueue.exceptions.SoftTimeLimitExceeded"
    assert time.monotonic() - start < 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_traceback_begins_at_the_tasks_own_frame(app: PyQueue, once: Once) -> None:
    @app.task
    def fail() -> None:
        raise ValueError("no")

    text = str(once(fail.delay()).traceback)
    assert "/worker/run_job.py" not in text
    assert 'raise ValueError("no")' in text


def test_an_error_whose_text_can_not_be_had_or_stored_is_kept_all_the_same(app: PyQueue, once: Once) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @app.task
    def fail(kind: int) -> None:
        raise Mute if kind == 0 else ValueError("\udcff" if kind == 1 else "x" * 1_000_000)

    for kind in range(3):
        result = once(fail.delay(kind))
        assert result.state == "FAILURE"
        assert len(str(result._store.view(result.id).failure.message)) < 10_000  # type: ignore[union-attr]


def test_the_backoff_is_celerys() -> None:
    assert [backoff(1, n, 600, False) for n in (0, 1, 5, 20, 100_000)] == [1, 2, 32, 600, 600]
    drawn = {backoff(1, 2, 600, True) for _ in range(300)}
    assert drawn == {0, 1, 2, 3, 4}
    assert all(0 <= backoff(0.1, 1, 600, True) <= 0.2 for _ in range(100))


def test_which_errors_are_tried_again(app: PyQueue) -> None:
    from pyqueue.options import TaskOptions

    options = TaskOptions(
        autoretry_for=(OSError,), dont_autoretry_for=(FileNotFoundError,), default_retry_delay=9
    )
    assert delay_after(OSError(), options, 0) == 9
    assert delay_after(OSError(), options, 2) == 9
    assert delay_after(OSError(), options, 3) is None
    assert delay_after(OSError(), options._replace(max_retries=None), 10**6) == 9
    assert delay_after(FileNotFoundError(), options, 0) is None
    assert delay_after(ValueError(), options, 0) is None


def test_importing_pyqueue_is_light() -> None:
    import subprocess

    program = (
        "import sys\n"
        "import pyqueue\n"
        "heavy = {'asyncio', 'dataclasses', 'inspect', 'logging', 'argparse', 'traceback', 'decimal', 'sqlite3',\n"
        "         'uuid', 'random', 'pathlib', 'importlib.resources', 'pyqueue.worker', 'pyqueue.cli', 'pyqueue.demo',\n"
        "         'pyqueue.loading'}\n"
        "print(heavy & set(sys.modules))\n"
    )
    # -S, since a site of one's own may load anything.
    output = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert output == "set()\n"


def in_thread(run: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(20)


def test_the_soft_limit_interrupts_another_thread_than_the_main_one(app: PyQueue, once: Once) -> None:
    cleaned: list[str] = []

    @app.task(soft_time_limit=0.05)
    def spin() -> None:
        try:
            while True:
                pass
        except SoftTimeLimitExceeded:
            cleaned.append("up")
            raise

    result = spin.delay()
    in_thread(lambda: once(result))
    assert isinstance(result.result, SoftTimeLimitExceeded)
    assert "0.05 s" in str(result.result)
    assert cleaned == ["up"]


def test_the_soft_limit_of_a_thread_is_never_raised_behind_its_block() -> None:
    def blocks() -> None:
        ends = {"interrupted": 0, "in time": 0}
        for n in count():
            try:
                with SoftLimit(1):
                    # From shorter to longer than the timer's thread waits for its turn.
                    end = time.monotonic() + n % 60 * 1e-4
                    while time.monotonic() < end:
                        pass
                ends["in time"] += 1
            except SoftTimeLimitExceeded:
                ends["interrupted"] += 1
            # Here nobody expects it. The control below shows that it would be raised.
            for _ in range(1_000):
                pass
            if min(ends.values()) >= 50:
                return

    in_thread(blocks)


def test_control_without_the_end_of_the_limit_it_is_raised_behind_the_block() -> None:
    def late() -> None:
        alarm = ByThread(1_000, SoftLimit(None))
        alarm.arm()
        while True:
            pass

    with pytest.raises(SoftTimeLimitExceeded):
        in_thread(late)
