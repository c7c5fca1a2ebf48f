"""Canvases are built as Celery builds them: the same calls on both give the same dictionaries."""

from __future__ import annotations

import json
import operator
from functools import reduce
from types import SimpleNamespace
from typing import Any

import celery
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqueue import canvas
from pyqueue.signature import Signature

# Celery and kombu warn of what is theirs to change.
pytestmark = pytest.mark.filterwarnings("ignore")


def tasks_of(app: Any) -> SimpleNamespace:
    @app.task(name="add")
    def add(*args: Any) -> Any: ...

    @app.task(name="sum")
    def total(*args: Any) -> Any: ...

    return SimpleNamespace(add=add, sum=total)


class Ours:
    chain, group, chord = staticmethod(canvas.chain), canvas.group, canvas.chord

    def __init__(self, path: Any) -> None:
        from pyqueue import PyQueue

        self.t = tasks_of(PyQueue(path))


class Celerys:
    chain, group, chord = celery.chain, celery.group, celery.chord

    def __init__(self) -> None:
        self.app = celery.Celery("x", broker="memory://", set_as_current=True)
        self.t = tasks_of(self.app)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ours, Celerys]:
    return Ours(tmp_path_factory.mktemp("ours") / "jobs.db"), Celerys()


def plain(form: Any) -> Any:
    """As JSON: Celery's dictionaries hold signatures and tuples."""
    return json.loads(json.dumps(form, default=list))


def form_of(made: Any) -> Any:
    return plain(made.to_dict() if isinstance(made, Signature) else made)


BUILT: dict[str, Any] = {
    "chain": lambda c, t: c.chain(t.add.s(1), t.add.s(2), t.sum.si(3)),
    "chain of one": lambda c, t: c.chain(t.add.s(1)),
    "chain of a list": lambda c, t: c.chain([t.add.s(1), t.add.s(2)]),
    "chain of nothing": lambda c, t: c.chain(),
    "group": lambda c, t: c.group(t.add.s(1), t.add.s(2)),
    "group of a list": lambda c, t: c.group([t.add.s(1), t.add.s(2)]),
    "group of a generator": lambda c, t: c.group(t.add.s(n) for n in range(3)),
    "group of a signature": lambda c, t: c.group(t.add.s(1)),
    "group of a group": lambda c, t: c.group(c.group(t.add.s(1))),
    "group of nothing": lambda c, t: c.group(),
    "chord": lambda c, t: c.chord([t.add.s(1), t.add.s(2)], t.sum.s()),
    "chord of a group": lambda c, t: c.chord(c.group(t.add.s(1)), t.sum.s()),
    "chord of a chain": lambda c, t: c.chord(c.chain(t.add.s(1), t.add.s(2)), t.sum.s()),
    "task | task": lambda c, t: t.add.s(1) | t.add.s(2),
    "task | chain": lambda c, t: t.add.s(1) | (t.add.s(2) | t.add.s(3)),
    "task | group": lambda c, t: t.add.s(1) | c.group(t.add.s(2), t.add.s(3)),
    "task | group of one": lambda c, t: t.add.s(1) | c.group(t.add.s(2)),
    "group | task": lambda c, t: c.group(t.add.s(1), t.add.s(2)) | t.sum.s(),
    "group | group": lambda c, t: c.group(t.add.s(1), t.add.s(2)) | c.group(t.add.s(3), t.sum.s()),
    "task | group | task": lambda c, t: t.add.s(1) | c.group(t.add.s(2), t.add.s(3)) | t.sum.s(),
    "chord | task": lambda c, t: c.chord([t.add.s(1)], t.sum.s()) | t.add.s(1),
    "chord | group": lambda c, t: c.chord([t.add.s(1)], t.sum.s()) | c.group(t.add.s(1), t.add.s(2)),
    "chord | chain": lambda c, t: c.chord([t.add.s(1)], t.sum.s()) | (t.add.s(1) | t.add.s(2)),
    "task | chord | task": lambda c, t: t.add.s(0) | c.chord([t.add.s(1)], t.sum.s()) | t.add.s(1),
    "chain of groups": lambda c, t: c.chain(
        c.group(t.add.s(1), t.add.s(2)), t.sum.s(), c.group(t.add.s(3), t.add.s(4)), t.sum.s()
    ),
    "chord of chains": lambda c, t: c.chord([t.add.s(1) | t.add.s(2), t.add.s(3)], t.sum.s()),
    "an empty group within": lambda c, t: c.chain(t.add.s(1), c.group(), t.add.s(2)),
    "map": lambda c, t: t.add.map([1, 2]),
    "starmap": lambda c, t: t.add.starmap([(1, 2), (3, 4)]),
    "chunks": lambda c, t: t.add.chunks([(1, 2), (3, 4), (5, 6)], 2),
    "the group of chunks": lambda c, t: t.add.chunks([(1, 2), (3, 4), (5, 6)], 2).group(),
    "options": lambda c, t: c.group(t.add.s(1)).set(queue="mail"),
    "link of a chain": lambda c, t: linked(c.chain(t.add.s(1), t.add.s(2)), t.sum.s()),
    "link of a group": lambda c, t: linked(c.group(t.add.s(1), t.add.s(2)), t.sum.s()),
    "link of a chord": lambda c, t: linked(c.chord([t.add.s(1)], t.add.s(2)), t.sum.s()),
    "link_error of a chain": lambda c, t: erring(c.chain(t.add.s(1), t.add.s(2)), t.sum.s()),
    "link_error of a group": lambda c, t: erring(c.group(t.add.s(1), t.add.s(2)), t.sum.s()),
    "link_error of a chord": lambda c, t: erring(c.chord([t.add.s(1)], t.add.s(2)), t.sum.s()),
    "a linked chain in a chain": lambda c, t: (
        t.add.s(0) | erring(linked(t.add.s(1) | t.add.s(2), t.sum.s()), t.sum.s())
    ),
}


def linked(made: Any, callback: Any) -> Any:
    assert made.link(callback) is callback or made.subtask_type == "group"
    return made


def erring(made: Any, errback: Any) -> Any:
    made.link_error(errback)
    return made


@pytest.mark.parametrize("name", BUILT)
def test_a_form_is_celerys(both: tuple[Ours, Celerys], name: str) -> None:
    ours, celerys = both
    form = form_of(BUILT[name](ours, ours.t))
    assert form == form_of(BUILT[name](celerys, celerys.t))
    assert form_of(Signature.from_dict(form)) == form


def test_control_another_canvas_has_another_form(both: tuple[Ours, Celerys]) -> None:
    ours, celerys = both
    assert form_of(BUILT["group"](ours, ours.t)) != form_of(BUILT["chain"](celerys, celerys.t))


@st.composite
def canvases(draw: st.DrawFn, depth: int = 3) -> Any:
    """How to build one: a function of the library and its tasks."""
    kind = draw(st.sampled_from(["task", "task", "chain", "or", "group", "chord"] if depth else ["task"]))
    if kind == "task":
        number = draw(st.integers(0, 9))
        return lambda c, t: t.add.s(number)
    parts = [draw(canvases(depth=depth - 1)) for _ in range(draw(st.integers(1, 3)))]
    if kind == "chain":
        return lambda c, t: c.chain(*[part(c, t) for part in parts])
    if kind == "or":
        return lambda c, t: reduce(operator.or_, [part(c, t) for part in parts])
    if kind == "group":
        return lambda c, t: c.group([part(c, t) for part in parts])
    body = draw(canvases(depth=depth - 1))
    return lambda c, t: c.chord([part(c, t) for part in parts], body(c, t))


@settings(max_examples=300, deadline=None)
@given(build=canvases())
def test_any_canvas_has_celerys_form(both: tuple[Ours, Celerys], build: Any) -> None:
    ours, celerys = both
    form = form_of(build(ours, ours.t))
    assert form == form_of(build(celerys, celerys.t))
    assert form_of(Signature.from_dict(form)) == form


def test_a_thousand_levels(both: tuple[Ours, Celerys]) -> None:
    ours, _ = both
    add, total = ours.t.add, ours.t.sum
    deep: Signature[Any] = add.s(1)
    for _ in range(1_000):
        deep = canvas.chord([deep], total.s())
    form = deep.to_dict()
    again = Signature.from_dict(form)
    levels = 0
    while again.subtask_type == "chord":
        again, levels = again.tasks[0], levels + 1  # type: ignore[attr-defined]
    assert levels == 1_000
    row: Signature[Any] = add.s(0)
    # Each link folds all that stand before it anew.
    for n in range(300):
        row = row | canvas.group(add.s(n), add.s(n)) | total.s()
    assert len(row.to_dict()["kwargs"]["tasks"]) == 2


@pytest.mark.parametrize(
    "form",
    [
        {"task": "celery.chain", "subtask_type": "chain"},
        {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": 5}},
        {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [5]}},
        {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [{}]}},
        {"task": "celery.chord", "subtask_type": "chord", "kwargs": {"header": [], "body": 5}},
        {"task": "celery.chunks", "kwargs": {"task": {"task": "add"}, "it": [[1]], "n": 0}},
        {"task": "celery.map", "kwargs": {"task": 5, "it": [1]}},
        {"task": "add", "subtask_type": "stamped"},
        {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": []}, "options": 5},
    ],
)
def test_what_is_no_signature_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"signature|chunk"):
        Signature.from_dict(form)


def test_a_form_that_contains_itself_is_refused() -> None:
    form: dict[str, Any] = {"task": "celery.chain", "subtask_type": "chain", "kwargs": {"tasks": []}}
    form["kwargs"]["tasks"].append(form)
    with pytest.raises(ValueError, match="contain itself"):
        Signature.from_dict(form)


def test_linking_a_canvas_leaves_its_members_as_they_were(both: tuple[Ours, Celerys]) -> None:
    ours, _ = both
    first, body, errback = ours.t.add.s(1), ours.t.sum.s(), ours.t.sum.s(9)
    canvas.group(first, first).link_error(errback)
    canvas.chord([first], body).link(errback)
    assert not first.options
    assert not body.options


def test_the_generator_of_a_group_is_asked_when_the_group_is_used(both: tuple[Ours, Celerys]) -> None:
    ours, _ = both
    asked: list[int] = []

    def calls() -> Any:
        for n in range(3):
            asked.append(n)
            yield ours.t.add.s(n)

    made = canvas.group(calls())
    assert asked == []
    assert len(made) == 3
    assert len(made) == 3
    assert asked == [0, 1, 2]


def test_what_celery_has_frozen_is_read(both: tuple[Ours, Celerys]) -> None:
    _, celerys = both
    made = celerys.chord([celerys.t.add.s(1), celerys.t.add.s(2)], celerys.t.sum.s())
    made.freeze()
    again = Signature.from_dict(plain(dict(made)))
    assert set(again.tasks[0].options) == {"task_id"}  # type: ignore[attr-defined]


def test_a_signature_can_be_called(both: tuple[Ours, Celerys]) -> None:
    from pyqueue import PyQueue

    app = PyQueue("nowhere.db")

    @app.task(name="subtract")
    def subtract(x: int, y: int) -> int:
        if y < 0:
            raise ValueError("no")
        return x - y

    assert subtract.s(2)(10) == 8
    with pytest.raises(ValueError, match="no"):
        subtract.s(-1)(10)
