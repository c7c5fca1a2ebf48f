"""Workflows that could not be stored, or could not end: refused before anything is written, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import said, unchanged

from pyqueue import PyQueue, chain, chord, group
from pyqueue.exceptions import QueueError

SOURCE = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")

@app.task(name="shop.add")
def add(x, y=0): return x + y

@app.task(name="shop.total")
def total(numbers): return sum(numbers)

@app.task(name="shop.large")
def large(): return "x" * 50_000_000
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(SOURCE)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    app.send_task("shop.add", [1])
    return app


def call(app: PyQueue, *args: Any, **options: Any) -> Any:
    return app.signature("shop.add", args, **options)


def circle(app: PyQueue) -> Any:
    graph = app.graph()
    graph.add("a", call(app), after="b")
    graph.add("b", call(app), after="a")
    return graph


def contains_itself(app: PyQueue) -> Any:
    form: dict[str, Any] = {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": []}}
    form["kwargs"]["tasks"].append(form)
    return app.signature(form)


BUILT: dict[str, tuple[Callable[[PyQueue], Any], str, str]] = {
    "a circle": (circle, "goes round in a circle: a → b → a", "let one of them not wait"),
    "a dictionary that contains itself": (contains_itself, "group can't contain itself", "^"),
    "a callback that is no JSON": (
        lambda app: call(app, 1) | call(app, object()),
        "argument 1 of the call of shop.add can't be written",
        "pass its id",
    ),
    "a chord without a body": (lambda app: chord([call(app, 1)]), "no body to call", r"write chord\(header, body\)"),
    "a dedup key": (lambda app: group(call(app, 1, dedup_key="k")), "can't have a dedup_key", "leave it out"),
    "one id twice": (
        lambda app: group(call(app, 1, task_id="mine"), call(app, 2, task_id="mine")),
        "mine",
        "^",
    ),
    "no signature": (lambda app: group([5]), "made of signatures, such as add.s", "^"),
    "no policy": (lambda app: chord([call(app)], call(app), on_error="ignore"), "not 'ignore'", "'fail' or 'run'"),
    "a node twice": (
        lambda app: [graph := app.graph(), graph.add("a", call(app)), graph.add("a", call(app))],
        "two nodes of the graph are named 'a'",
        "another name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_a_workflow_that_can_not_be_is_refused(app: PyQueue, tmp_path: Path, name: str) -> None:
    build, happened, do = BUILT[name]

    def send() -> None:
        build(app).delay()

    with unchanged(tmp_path / "jobs.db"):
        with pytest.raises((QueueError, ValueError, TypeError)) as caught:
            send()
        said(caught.value, happened=happened, do=do)


def test_a_generator_that_raises_half_way_leaves_nothing(app: PyQueue, tmp_path: Path) -> None:
    def members() -> Iterator[Any]:
        for number in range(20_000):
            yield call(app, number)
        raise OSError("the disk is gone")

    with unchanged(tmp_path / "jobs.db"), pytest.raises(OSError, match="the disk is gone"):
        app.send(group(members()))


def test_a_member_that_returns_fifty_megabytes_fails_its_chord(
    app: PyQueue, worker: Callable[..., Any]
) -> None:
    worker("-c", "1")
    result = app.send(chord([call(app, 1), app.signature("shop.large")], app.signature("shop.total")))
    error = result.get(timeout=20, propagate=False)
    said(str(error), happened="Dependency .* EncodeError: the result of shop.large", do="store it elsewhere")


def test_a_callback_that_nobody_has_registered_waits_in_sight(
    app: PyQueue, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    worker("-c", "1")
    result: Any = app.send(chain(call(app, 1), app.signature("shop.gone")))
    assert result.parent.get(timeout=10) == 1
    eventually(lambda: app.store.view(result.id).state == "parked")
    said(app.store.why(result.id), happened="shop.gone", do="worker")
