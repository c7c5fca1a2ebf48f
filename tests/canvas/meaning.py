"""What Celery's canvases mean, in plain Python: the value of a random one, or the error it ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st


class Leaf(NamedTuple):
    """One call: it returns its arguments; ``fails`` or ``retries`` first."""

    number: int
    immutable: bool = False
    fails: bool = False
    retries: int = 0


class Composite(NamedTuple):
    """A chain, a group or a chord of others."""

    kind: str
    parts: tuple[Any, ...]
    body: Any = None
    runs: bool = False
    """The chord's policy."""


class Value(NamedTuple):
    """A success."""

    value: Any


class Error(NamedTuple):
    """A failure, by the class of its exception."""

    what: str


@st.composite
def canvases(draw: st.DrawFn, depth: int = 3) -> Leaf | Composite:
    """A random one."""
    kind = draw(st.sampled_from(["leaf", "chain", "group", "chord"] if depth else ["leaf"]))
    if kind == "leaf":
        fails = draw(st.integers(0, 9)) == 0
        return Leaf(
            draw(st.integers(0, 99)),
            draw(st.booleans()) and draw(st.booleans()),
            fails,
            draw(st.integers(0, 1)),
        )
    least = 1 if kind == "chain" else 0
    parts = tuple(draw(canvases(depth=depth - 1)) for _ in range(draw(st.integers(least, 3))))
    if kind != "chord":
        return Composite(kind, parts)
    return Composite(kind, parts, draw(canvases(depth=depth - 1)), draw(st.booleans()))  # fmt: skip


def built(canvas: Leaf | Composite, leaf: Callable[[Leaf], Any], library: Any) -> Any:
    """It with a library's chain, group and chord."""
    if isinstance(canvas, Leaf):
        return leaf(canvas)
    parts = [built(each, leaf, library) for each in canvas.parts]
    if canvas.kind == "chain":
        return library.Chain(*parts)
    if canvas.kind == "group":
        return library.group(*parts)
    return library.chord(parts, built(canvas.body, leaf, library), on_error="run" if canvas.runs else "fail")


def ended(canvas: Leaf | Composite, given: Any = None) -> Any:
    """How it ends after ``given``: a Value, an Error, or the list of its members' ends. None: it starts."""
    if isinstance(canvas, Leaf):
        if isinstance(given, Error):
            return given
        if canvas.fails:
            return Error("ValueError")
        taken = [] if given is None or canvas.immutable else [given.value]
        return Value([*taken, canvas.number])
    if canvas.kind == "group":
        return [ended(each, given) for each in members(canvas)]
    if canvas.kind == "chain":
        return _steps(canvas, given)
    header = [ended(each, given) for each in members(canvas)]
    if not header:
        return ended(canvas.body, given if isinstance(given, Error) else Value([]))
    return ended(canvas.body, Value(shown(header)) if canvas.runs else seen(header))


def _steps(canvas: Composite, given: Any) -> Any:
    steps = [_unrolled(each) for each in canvas.parts]
    found = given
    for each in [each for each in steps if not is_empty(each)] or steps[-1:]:
        found = ended(each, found if found is None else seen(found))
    return found


def _unrolled(canvas: Leaf | Composite) -> Any:
    """Within a chain a group of one is its member."""
    canvas = _collapsed(canvas)
    alone = isinstance(canvas, Composite) and canvas.kind == "group" and len(canvas.parts) == 1
    return canvas.parts[0] if isinstance(canvas, Composite) and alone else canvas


def _collapsed(canvas: Leaf | Composite) -> Leaf | Composite:
    """A group of nothing but a group is that group, from its making on."""
    while isinstance(canvas, Composite) and canvas.kind == "group" and len(canvas.parts) == 1:
        (inner,) = canvas.parts
        if not (isinstance(inner, Composite) and inner.kind == "group"):
            break
        canvas = inner
    return canvas


def is_empty(canvas: Leaf | Composite) -> bool:
    """Whether it is left out of a chain."""
    return isinstance(canvas, Composite) and canvas.kind == "group" and not canvas.parts


def members(canvas: Composite) -> list[Any]:
    """Those of a group, with those of groups among them."""
    found: list[Any] = []
    for each in canvas.parts:
        is_group = isinstance(each, Composite) and each.kind == "group"
        found += members(each) if is_group else [each]
    return found


def seen(found: Any) -> Any:
    """An end as who waits for it sees it: a list is a failure if one in it is."""
    if not isinstance(found, list):
        return found
    return (
        Error("ChordError") if any(isinstance(seen(each), Error) for each in found) else Value(shown(found))
    )


def shown(found: Any) -> Any:
    """An end with the values alone, and the classes of the errors."""
    if isinstance(found, list):
        return [shown(each) for each in found]
    return found.what if isinstance(found, Error) else found.value
