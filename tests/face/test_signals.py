"""Signals and middleware around the tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyqueue import PyQueue, signals
from pyqueue.exceptions import Retry
from pyqueue.result import AsyncResult
from pyqueue.signals import Signal

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Everything that the signals of a task's life said."""
    told: list[tuple[str, dict[str, Any]]] = []

    def hear(signal: Signal, **named: Any) -> None:
        told.append((signal.name, named))

    every = [each for name, each in vars(signals).items() if name.startswith("task_")]
    for each in every:
        each.connect(hear)
    yield told
    for each in every:
        assert each.disconnect(hear)
        assert not each


def test_a_success_is_heard_with_celerys_keywords(app: PyQueue, once: Once, heard: list[Any]) -> None:
    task = app.task(name="add")(lambda x, y: x + y)
    result = once(task.delay(1, y=2))
    call = {"task_id": result.id, "task": task, "args": [1], "kwargs": {"y": 2}, "sender": task}
    assert heard[0][0] == "task_received"
    assert heard[0][1]["request"].id == result.id
    assert heard[1:] == [
        ("task_prerun", call),
        ("task_success", {"sender": task, "result": 3}),
        ("task_postrun", {**call, "retval": 3, "state": "SUCCESS"}),
    ]


def test_a_retry_and_a_failure_are_heard(app: PyQueue, once: Once, heard: list[Any]) -> None:
    def fail() -> None:
        raise OSError(5, "bad sector")

    task = app.task(autoretry_for=(OSError,), max_retries=1, default_retry_delay=0)(fail)
    result = once(once(task.delay()))
    assert [name for name, _ in heard] == [
        *("task_received", "task_prerun", "task_retry", "task_postrun"),
        *("task_received", "task_prerun", "task_failure", "task_postrun"),
    ]
    retry, failure = heard[2][1], heard[6][1]
    assert retry["request"].id == result.id
    assert isinstance(retry["reason"], Retry)
    assert isinstance(failure["exception"], OSError)
    assert failure["task_id"] == result.id
    assert "bad sector" in str(failure["einfo"])
    assert heard[7][1]["state"] == "FAILURE"


def test_a_receiver_that_raises_is_logged_and_harms_nothing(
    app: PyQueue, once: Once, caplog: pytest.LogCaptureFixture
) -> None:
    def break_it(**_: Any) -> None:
        raise ValueError("broken receiver")

    def leave(**_: Any) -> None:
        raise SystemExit(3)

    signals.task_prerun.connect(break_it)
    signals.task_success.connect(leave)
    try:
        assert once(app.task(name="one")(lambda: 1).delay()).get(timeout=5) == 1
    finally:
        signals.task_prerun.disconnect(break_it)
        signals.task_success.disconnect(leave)
    assert "a receiver of task_prerun raised" in caplog.text
    assert "broken receiver" in caplog.text


def test_connecting() -> None:
    signal = Signal("it")
    assert not signal

    @signal.connect
    def every(**_: Any) -> str:
        return "every"

    @signal.connect(sender="a")
    def one(sender: str, n: int, **_: Any) -> str:
        return f"{sender}{n}"

    signal.connect(every)
    signal.connect(lambda **_: "uid", dispatch_uid="u")
    signal.connect(lambda **_: "again", dispatch_uid="u")
    assert [answer for _, answer in signal.send("a", n=1)] == ["every", "a1", "uid"]
    assert [answer for _, answer in signal.send("b", n=1)] == ["every", "uid"]
    assert signal.disconnect(dispatch_uid="u")
    assert signal.disconnect(one, sender="a")
    assert not signal.disconnect(one)
    assert signal.disconnect(every)
    assert not signal
    with pytest.raises(TypeError, match="takes a function"):
        signal.connect(3)


def test_middleware_is_an_onion(app: PyQueue, once: Once) -> None:
    seen: list[Any] = []

    def outer(run_next: Callable[[], Any], context: Any) -> Any:
        seen.append(("outer", context.task, context.args))
        try:
            return run_next() * 10
        except ValueError:
            seen.append("caught")
            return "saved"

    def inner(run_next: Callable[[], Any], context: Any) -> Any:
        seen.append("inner")
        return run_next() + 1

    @app.task(name="give")
    def give(n: int) -> int:
        if n < 0:
            raise ValueError(n)
        return n

    app.middleware += [outer, inner]
    assert once(give.delay(2)).get(timeout=5) == 30
    assert seen == [("outer", "give", [2]), "inner"]
    assert once(give.delay(-1)).get(timeout=5) == "saved"
    assert give.apply((4,)).get() == 50


def test_what_a_middleware_raises_is_the_tasks_error(app: PyQueue, once: Once) -> None:
    def refuse(run_next: Callable[[], Any], context: Any) -> Any:
        raise PermissionError("no")

    app.middleware.append(refuse)
    assert isinstance(once(app.task(name="one")(lambda: 1).delay()).result, PermissionError)
