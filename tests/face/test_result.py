from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue._core import Failure, Outcome
from pyqueue.exceptions import TaskFailed, TaskRevokedError, TimeoutError, UnknownJob
from pyqueue.rebuilding import rebuilt
from pyqueue.result import AsyncResult
from pyqueue.serialization import encode_result
from pyqueue.worker.failing import failure_of


class Custom(Exception):
    built = 0

    def __init__(self, code: int) -> None:
        type(self).built += 1
        self.code = code
        super().__init__(f"code {code}")


def ended(app: PyQueue, outcome: Outcome) -> AsyncResult[object]:
    """A job that a worker has run with this outcome."""
    result = app.send_task("some.task")
    store = app.store
    worker = store.join("test", 1, 30_000_000)
    store.finish([(store.claim(worker, 1)[0], outcome)])
    store.part(worker)
    return result


def raised(error: BaseException) -> Failure:
    try:
        raise error
    except BaseException as caught:
        return failure_of(caught)


def test_a_result_is_returned(app: PyQueue) -> None:
    result = ended(app, Outcome.success(encode_result([1, None], "it"), "application/json"))
    assert result.get(timeout=5) == [1, None]
    assert result.result == result.info == [1, None]
    assert (result.state, result.status) == ("SUCCESS", "SUCCESS")
    assert result.ready()
    assert result.successful()
    assert not result.failed()
    assert [(each.number, each.outcome) for each in result.attempts()] == [(1, "success")]


def test_a_result_that_is_not_kept_is_none(app: PyQueue) -> None:
    assert ended(app, Outcome.success()).get(timeout=5) is None


def test_a_loaded_exception_comes_back_whole_and_runs_no_code(app: PyQueue) -> None:
    result = ended(app, Outcome.failure(raised(Custom(7))))
    built = Custom.built
    with pytest.raises(Custom, match="code 7") as caught:
        result.get(timeout=5)
    assert caught.value.code == 7
    assert Custom.built == built
    assert isinstance(caught.value.__cause__, TaskFailed)
    assert "raise error" in str(result.traceback)
    assert (result.state, result.failed(), result.successful()) == ("FAILURE", True, False)
    assert isinstance(result.get(propagate=False), Custom)
    assert isinstance(result.result, Custom)


@pytest.mark.parametrize(
    "error",
    [
        OSError(2, "gone", "file"),
        KeyError("k"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ValueError(),
        ValueError(object()),
        TaskFailed("a.B", "c", None),
    ],
)
def test_builtin_exceptions_come_back(error: Exception) -> None:
    again = rebuilt(raised(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


@pytest.mark.parametrize(
    "failure",
    [
        Failure("antigravity.Error", "no", "text"),
        Failure("os.system", "true"),
        Failure("builtins.SystemExit", "1"),
        Failure("builtins.print", "1"),
        Failure("pyqueue.result.AsyncResult", "1"),
        Failure("builtins.ExceptionGroup", "1"),
        Failure("builtins.UnicodeDecodeError", "1"),
        Failure("builtins.ValueError", "1", None, b"{"),
        Failure("", ""),
    ],
)
def test_any_other_name_is_only_told(failure: Failure) -> None:
    told = rebuilt(failure)
    assert type(told) is TaskFailed
    assert (told.type, told.message, told.traceback) == (failure.error, failure.message, failure.traceback)
    assert "antigravity" not in sys.modules


def test_an_unknown_id_is_said_at_once(app: PyQueue) -> None:
    app.send_task("some.task")
    start = time.monotonic()
    for id in ("nonsense", "12345678-1234-8678-9234-567812345678"):
        assert app.AsyncResult(id).state == "UNKNOWN"
        with pytest.raises(UnknownJob, match=id):
            app.AsyncResult(id).get(timeout=30)
    assert time.monotonic() - start < 1


def test_the_wait_ends_with_its_time_and_says_what_is_missing(app: PyQueue) -> None:
    result = app.send_task("some.task")
    with pytest.raises(TimeoutError, match=r"still waiting after 0\.05 s; no worker .* pyqueue worker --db"):
        result.get(timeout=0.05)
    with pytest.raises(__import__("builtins").TimeoutError):
        result.get(timeout=0)
    assert not result.ready()
    assert result.result is None


def test_waiting_without_end_and_without_a_worker_warns(app: PyQueue) -> None:
    result = app.send_task("some.task")
    with pytest.raises(RuntimeWarning, match="no worker is running"):
        result.get()


def test_a_cancelled_job_is_said_to_be(app: PyQueue) -> None:
    result = app.send_task("some.task")
    assert result.revoke()
    assert result.state == "REVOKED"
    with pytest.raises(TaskRevokedError, match="cancelled"):
        result.get(timeout=5)
    assert isinstance(result.result, TaskRevokedError)


def test_an_interrupt_ends_the_wait(tmp_path: Path) -> None:
    program = (
        "from pyqueue import PyQueue\n"
        "result = PyQueue('jobs.db').send_task('x')\n"
        "print('waiting', flush=True)\n"
        "result.get(timeout=300)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)  # into the wait; the wait itself shows nothing
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert process.stderr is not None
        assert b"KeyboardInterrupt" in process.stderr.read()
