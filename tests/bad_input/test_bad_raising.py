from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import TaskFailed
from pyqueue.result import AsyncResult
from pyqueue.worker.run_job import run_job


class Base(BaseException): ...


class Unpicklable(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}", threading.Lock())
        self.code = code

    def __reduce__(self) -> Any:
        raise TypeError("it can't be pickled")


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class TextExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class NoArguments(Exception):
    @property
    def args(self) -> Any:
        raise RuntimeError("no args")


class NoAttributes(Exception):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt


class Looped(Exception):
    def __init__(self) -> None:
        super().__init__("looped")
        self.me = self
        self.__cause__ = self


@pytest.fixture
def failed(app: PyQueue) -> Callable[[Callable[[], BaseException]], AsyncResult[Any]]:
    """Runs a task that raises what ``make`` gives, beside one that does well; the job of the first."""

    def run(make: Callable[[], BaseException]) -> AsyncResult[Any]:
        @app.task(name="shop.raises")
        def raises() -> None:
            raise make()

        @app.task(name="shop.fine")
        def fine() -> str:
            return "fine"

        bad, good = raises.delay(), fine.delay()
        worker = app.store.join("test", 1, 30_000_000)
        app.store.finish([(job, run_job(app, job)) for job in app.store.claim(worker, 10)])
        assert good.get(timeout=5) == "fine"
        assert (bad.state, [each.outcome for each in bad.attempts()]) == ("FAILURE", ["failure"])
        return bad

    return run


Failed = Callable[[Callable[[], BaseException]], AsyncResult[Any]]


@pytest.mark.parametrize(
    "make",
    [lambda: Base("no"), lambda: SystemExit(4), KeyboardInterrupt, GeneratorExit],
    ids=["own", "exit", "interrupt", "generator"],
)
def test_what_is_no_exception_fails_its_job_and_does_not_end_the_one_who_asks(
    failed: Failed, make: Callable[[], BaseException]
) -> None:
    error = failed(make).get(timeout=5, propagate=False)
    assert isinstance(error, TaskFailed)
    assert error.type.endswith(type(make()).__name__)
    assert "raise make()" in str(error.traceback)


def test_an_exception_whose_arguments_are_no_json_keeps_class_text_and_traceback(failed: Failed) -> None:
    result = failed(lambda: Unpicklable(7))
    with pytest.raises(Unpicklable, match=r"code 7.*lock object"):
        result.get(timeout=5)
    assert "raise make()" in str(result.traceback)


@pytest.mark.parametrize(
    "cls", [NoText, TextExits, NoArguments, NoAttributes, Looped], ids=lambda cls: cls.__name__
)
def test_an_exception_that_can_not_be_looked_at_fails_its_job_and_not_the_child(
    failed: Failed, cls: type[Exception]
) -> None:
    result = failed(cls)
    with pytest.raises(cls):
        result.get(timeout=5)
    assert "raise make()" in str(result.traceback)


def test_a_text_that_can_not_be_had_is_said_to_be_so(app: PyQueue, failed: Failed) -> None:
    failure = app.store.view(failed(NoText).id).failure
    assert failure is not None
    assert failure.message == "<NoText whose text can't be had>"


def test_a_huge_exception_is_cut(app: PyQueue, failed: Failed) -> None:
    failure = app.store.view(failed(lambda: ValueError("x" * 5_000_000)).id).failure
    assert failure is not None
    assert len(failure.message) == 8_192
    assert len(str(failure.traceback)) == 65_536
    assert failure.body is None


def test_a_recursion_without_end_fails_its_job(failed: Failed) -> None:
    def deeper() -> BaseException:
        return deeper()

    with pytest.raises(RecursionError):
        failed(deeper).get(timeout=5)
