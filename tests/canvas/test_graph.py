"""Explicit graphs: who waits for whom, when, and what undoes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyqueue import PyQueue, group
from pyqueue.exceptions import EncodeError, InvalidJob, TaskRevokedError

SOURCE = """
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db")

@app.task
def echo(value=None):
    return value

@app.task
def note(*args):
    with Path("notes").open("a") as file:
        print(*[repr(each) if isinstance(each, Exception) else each for each in args], file=file)
    return len(args)

@app.task
def fail(*args):
    raise ValueError("no")
"""


def notes() -> list[str]:
    path = Path("notes")
    return path.read_text().splitlines() if path.exists() else []


def diamond(t: Any, graph: Any) -> None:
    graph.add("last", t.note.s("last"), after=["left", "right"])
    graph.add("left", t.note.s("left"), after="first")
    graph.add("right", t.note.s("right"), after="first")
    graph.add("first", t.echo.s(7))


def handled(t: Any, graph: Any) -> None:
    graph.add("first", t.fail.s())
    graph.add("next", t.note.s("next"), after="first")
    graph.add("handler", t.note.s("handler"), after="first", when="failure")
    graph.add("last", t.note.s("last"), after=["next", "handler"], when="always")


def saga(t: Any, graph: Any) -> None:
    graph.add("book", t.echo.s("room"), compensate=t.note.s("unbook"))
    graph.add("charge", t.echo.si("paid"), after="book", compensate=t.note.s("refund"))
    graph.add("ship", t.fail.si(), after="charge", compensate=t.note.s("recall"))


def test_values_go_to_those_that_wait(tasks: ModuleType, worker: Callable[..., Any]) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2")
    graph = tasks.app.graph()
    diamond(tasks, graph)
    result = graph.delay()
    assert result.get(timeout=10) == {"last": 3, "left": 2, "right": 2, "first": 7}
    assert sorted(notes()[:2]) == ["7 left", "7 right"]
    assert notes()[2] == "2 2 last"
    assert (result.state, result.successful(), result.failed(), result.ready()) == (
        "success",
        True,
        False,
        True,
    )
    assert list(result) == ["last", "left", "right", "first"]
    assert result["first"].get() == 7


@pytest.mark.parametrize("in_place", [False, True])
def test_failures_go_where_they_are_wanted(
    tasks: ModuleType, worker: Callable[..., Any], in_place: bool
) -> None:
    graph = tasks.app.graph()
    handled(tasks, graph)
    if in_place:
        with tasks.app.testing(propagate=False):
            _handled_well(graph.delay())
    else:
        worker("-A", tasks.__project__.file.name, "-c", "2")
        _handled_well(graph.delay())


def _handled_well(result: Any) -> None:
    assert result.get(timeout=10) == {"handler": 2, "last": 3}
    assert notes() == ["ValueError('no') handler", "ValueError('no') 2 last"]
    assert {name: type(error) for name, error in result.errors().items()} == {
        "first": ValueError,
        "next": ValueError,
    }
    assert result.successful()


def test_what_has_no_reason_to_run_is_skipped(tasks: ModuleType) -> None:
    with tasks.app.testing():
        graph = tasks.app.graph()
        graph.add("first", tasks.echo.s(1))
        graph.add("handler", tasks.note.s(), after="first", when="failure")
        result = graph.delay()
        assert result.get() == {"first": 1}
        assert result.successful()
        assert result["handler"].state == "REVOKED"
        assert result.errors() == {}
    assert notes() == []


def test_what_has_succeeded_is_undone_the_last_first(
    tasks: ModuleType, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2")
    graph = tasks.app.graph()
    saga(tasks, graph)
    result = graph.delay()
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=10)
    eventually(lambda: result.state == "failed")
    assert notes() == ["paid refund", "room unbook"]


def test_control_what_has_not_failed_is_not_undone(tasks: ModuleType) -> None:
    with tasks.app.testing():
        graph = tasks.app.graph()
        graph.add("book", tasks.echo.s("room"), compensate=tasks.note.s("unbook"))
        assert graph.delay().get() == {"book": "room"}
    assert notes() == []


def test_a_node_may_be_a_canvas(tasks: ModuleType) -> None:
    with tasks.app.testing():
        graph = tasks.app.graph()
        graph.add("chain", tasks.echo.s(1) | tasks.echo.s())
        graph.add("group", group(tasks.note.s(1), tasks.note.s(2)), after="chain")
        graph.add("last", tasks.note.s(), after=["chain", "group"])
        assert graph.delay().get() == {"chain": 1, "group": [2, 2], "last": 2}
    assert notes()[-1] == "1 [2, 2]"


def test_cancelling_a_graph(tasks: ModuleType) -> None:
    graph = tasks.app.graph()
    diamond(tasks, graph)
    result = graph.apply_async(task_id="nightly")
    assert result.id == "nightly"
    result.revoke()
    with pytest.raises(TaskRevokedError):
        result.get(timeout=5)
    assert result.failed()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda t, g: (g.add("a", t.echo.s()), g.add("a", t.echo.s())), "two nodes of the graph are named 'a'"),
        (lambda t, g: g.add("a", t.echo.s(), after="b"), "waits for 'b', which the graph has not; there are: a"),
        (lambda t, g: g.add("a", t.echo.s(), after="a"), "a → a"),
        (
            lambda t, g: (g.add("a", t.echo.s(), after="c"), g.add("b", t.echo.s(), after="a"), g.add("c", t.echo.s(), after="b")),
            "in a circle: a → b → c → a",
        ),
        (lambda t, g: g.add("a", t.echo.s(), after=["b", "b"]), "waits twice"),
        (lambda t, g: g.add("a", t.echo.s(), when="later"), "when='later'"),
        (lambda t, g: g.add("a", "echo"), "needs a signature"),
        (lambda t, g: g.add("", t.echo.s()), "a name of 1 to 255"),
        (lambda t, g: g.add("a", group(t.echo.s()), compensate=t.echo.s()), "one call of one call"),
        (lambda t, g: None, "without nodes"),
        (lambda t, g: g.add("a", t.echo.s().set(dedup_key="k")), "dedup_key"),
    ],
)  # fmt: skip
def test_a_graph_that_could_not_end_is_refused(tasks: ModuleType, build: Any, text: str) -> None:
    def send() -> None:
        graph = tasks.app.graph()
        build(tasks, graph)
        graph.delay()

    with pytest.raises(InvalidJob, match=text):
        send()
    assert tasks.app.store.queues() == []


def test_a_callback_that_is_no_json_is_refused_with_its_argument(tasks: ModuleType) -> None:
    graph = tasks.app.graph()
    graph.add("first", tasks.echo.s())
    graph.add("next", tasks.note.s(object()), after="first")
    with pytest.raises(EncodeError, match=r"argument 1 of the call of .*note"):
        graph.delay()
    assert tasks.app.store.queues() == []


def test_a_graph_of_fifty_thousand_nodes_is_ordered_without_recursion(app: PyQueue) -> None:
    graph = app.graph()
    for number in range(50_000):
        graph.add(str(number), app.signature("a"), after=str(number + 1) if number < 49_999 else ())
    assert graph.ordered() == [str(number) for number in reversed(range(50_000))]
