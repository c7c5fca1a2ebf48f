"""Subclasses of Task: their defaults, their hooks, their ``__call__``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from pyqueue import PyQueue, Task, shared_task
from pyqueue.exceptions import Ignore, Reject
from pyqueue.result import AsyncResult

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


class Telling(Task[..., Any]):
    """Writes down what happens to it."""

    max_retries = 1
    default_retry_delay = 0
    autoretry_for = (OSError,)
    queue = "told"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.told: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.told.append("call")
        return super().__call__(*args, **kwargs)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        assert self.request.id == task_id
        self.told.append(("start", args, kwargs))

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        self.told.append(("success", retval))

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.told.append(("failure", type(exc), "Traceback" in str(einfo)))

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self.told.append(("retry", type(exc), einfo.exception is exc))

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        self.told.append(("return", status, type(retval), einfo is not None))


def telling(app: PyQueue, function: Callable[..., Any], **options: Any) -> Telling:
    task = app.task(base=Telling, **options)(function)
    assert isinstance(task, Telling)
    return task


def test_attributes_of_the_base_are_defaults_and_options_win(app: PyQueue) -> None:
    task = telling(app, lambda: 1, name="a")
    assert (task.max_retries, task.queue, task.autoretry_for) == (1, "told", (OSError,))
    assert (task.priority, task.time_limit) == (0, None)
    assert telling(app, lambda: 1, name="b", queue="mail").queue == "mail"

    class Deeper(Telling):
        max_retries = 9

    deeper = app.task(base=Deeper, name="c")(lambda: 1)
    assert (deeper.options.max_retries, deeper.options.queue) == (9, "told")


def test_a_base_that_is_no_task_is_refused(app: PyQueue) -> None:
    with pytest.raises(TypeError, match="must be a subclass"):
        app.task(base=dict)(lambda: 1)


def test_the_hooks_of_a_success(app: PyQueue, once: Once) -> None:
    task = telling(app, lambda x, y: x + y, name="add")
    assert once(task.apply_async((1,), {"y": 2})).get(timeout=5) == 3
    assert task.told == [
        ("start", [1], {"y": 2}),
        "call",
        ("success", 3),
        ("return", "SUCCESS", int, False),
    ]


def test_the_hooks_of_a_retry_and_of_the_failure_after_it(app: PyQueue, once: Once) -> None:
    def fail(self: Any) -> None:
        raise FileNotFoundError(2, "gone")

    task = telling(app, fail, bind=True)
    result = once(once(task.delay()))
    assert result.state == "FAILURE"
    assert [each for each in task.told if each[0] != "start" and each != "call"] == [
        ("retry", FileNotFoundError, True),
        ("failure", FileNotFoundError, True),
        ("return", "FAILURE", FileNotFoundError, True),
    ]


def test_a_result_that_can_not_be_kept_is_a_failure_for_the_hooks_too(app: PyQueue, once: Once) -> None:
    task = telling(app, lambda: {1}, name="give")
    assert once(task.delay()).state == "FAILURE"
    assert [each[0] for each in task.told] == ["start", "c", "failure", "return"]


def test_a_hook_that_raises_changes_nothing_but_before_start_fails_the_attempt(
    app: PyQueue, once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Task[..., Any]):
        def on_success(self, *call: Any) -> None:
            raise SystemExit(3)

    class Unwilling(Task[..., Any]):
        def before_start(self, *call: Any) -> None:
            raise ValueError("not today")

    assert once(app.task(base=Broken, name="a")(lambda: 1).delay()).get(timeout=5) == 1
    assert "Broken.on_success raised" in caplog.text
    result = once(app.task(base=Unwilling, name="b")(lambda: 1).delay())
    assert isinstance(result.result, ValueError)


def test_ignore_ends_without_result_and_without_hooks(app: PyQueue, once: Once) -> None:
    def leave() -> None:
        raise Ignore

    task = telling(app, leave)
    result = once(task.delay())
    assert (result.state, result.result) == ("SUCCESS", None)
    assert task.told == [("start", [], {}), "call"]


def test_reject_gives_back_or_fails(app: PyQueue, once: Once) -> None:
    again = [True]

    def refuse() -> str:
        if again:
            raise Reject("not mine", requeue=again.pop())
        return "taken"

    task = telling(app, refuse)
    result = once(task.delay())
    assert (result.state, result.retries) == ("PENDING", 0)
    assert once(result).get(timeout=5) == "taken"
    again.append(False)
    assert isinstance(once(task.delay()).result, Reject)


def test_errors_that_are_expected_are_logged_short(
    app: PyQueue, once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: str) -> None:
        raise {"key": KeyError, "value": ValueError}[error]("it")

    task = app.task(name="fail", throws=(KeyError,))(fail)
    with caplog.at_level(logging.INFO, "pyqueue.task"):
        assert once(task.delay("key")).state == "FAILURE"
        assert [(each.levelname, each.exc_info) for each in caplog.records] == [("INFO", None)]
        assert once(task.delay("value")).state == "FAILURE"
    assert caplog.records[-1].levelname == "ERROR"
    assert "ValueError: it" in caplog.text


def test_retry_kwargs_say_how_often_and_when(app: PyQueue, once: Once) -> None:
    def fail() -> None:
        raise OSError(5, "bad sector")

    task = app.task(autoretry_for=(OSError,), retry_kwargs={"max_retries": 1, "countdown": 0})(fail)
    result = once(task.delay())
    assert (result.state, result.retries) == ("RETRY", 1)
    assert once(result).state == "FAILURE"


def test_apply_runs_retries_at_once_and_hooks_too(app: PyQueue) -> None:
    def third_time(self: Any) -> int:
        if self.request.retries < 2:
            raise self.retry(countdown=3600)
        assert self.request.is_eager
        return int(self.request.retries)

    task = telling(app, third_time, bind=True, max_retries=2)
    assert task.apply().get() == 2
    assert [each[0] for each in task.told if each != "call"][-3:] == ["start", "success", "return"]
    with pytest.raises(ZeroDivisionError):
        telling(app, lambda: 1 / 0, name="z").apply(throw=True)


def test_shared_tasks_have_bases_too_and_settings_do_not_overrule_them(app: PyQueue) -> None:
    @shared_task(base=Telling, name="shared_telling")
    def give() -> int:
        return 1

    assert isinstance(app.tasks["shared_telling"], Telling)
    app.conf.task_default_queue = "other"
    assert app.store.show(give.delay().id).queue == "told"  # type: ignore[union-attr]


def test_a_task_that_another_one_simply_calls_has_no_request(app: PyQueue, once: Once) -> None:
    @app.task(bind=True, name="inner")
    def inner(self: Any) -> list[Any]:
        with pytest.raises(ZeroDivisionError):
            self.retry(exc=ZeroDivisionError())
        self.update_state(state="SEEN")
        return [self.request.id, self.request.called_directly]

    @app.task(name="outer")
    def outer() -> list[Any]:
        return inner()

    assert once(outer.delay()).get(timeout=5) == [None, True]
