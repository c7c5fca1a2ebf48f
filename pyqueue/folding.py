"""What ``|`` and ``chain`` make of their steps: chains and chords, with the rules of Celery.

A task after a group makes a chord; what comes after a chord goes on in its body.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyqueue.canvas import Chain, chord, group
from pyqueue.composed import Lazily
from pyqueue.signature import Signature

Steps = list[Signature[Any]]


def folded(left: Signature[Any], right: Signature[Any]) -> Signature[Any]:
    """``left | right``."""
    if isinstance(right, Chain) and isinstance(left, Chain):
        return _grown(left, right.unchained())
    return _joined(left, [right])


def chained(tasks: Iterable[Signature[Any]]) -> Signature[Any]:
    """``a | b | c``, in time that grows with their number."""
    return _grown(Chain(()), tasks)


def _grown(whole: Signature[Any], tasks: Iterable[Signature[Any]]) -> Signature[Any]:
    run: Steps = []
    for each in tasks:
        if _is_plain(each):
            run.append(each)
            continue
        whole = _joined(whole, run) if run else whole
        run = []
        if isinstance(each, Chain) and isinstance(whole, Chain):
            for step in each.unchained():
                whole = _joined(whole, [step])
        else:
            whole = _joined(whole, [each])
    return _joined(whole, run) if run else whole


def _is_plain(each: Signature[Any]) -> bool:
    return not isinstance(each, (Chain, group, chord))


def _unrolled(each: Signature[Any]) -> Signature[Any]:
    """A group of one is its member."""
    return each.tasks[0] if isinstance(each, group) and len(each.tasks) == 1 else each


def _is_empty(each: Signature[Any]) -> bool:
    return isinstance(each, group) and not isinstance(each.kwargs["tasks"], Lazily) and not each.tasks


def _joined(left: Signature[Any], rights: Steps) -> Signature[Any]:
    """``left`` with one step of any kind, or several plain ones."""
    right = rights[0]
    if _is_empty(right) and isinstance(left, (group, Chain)):
        return left
    # What goes on in a body, and so on inwards: without recursion, since a thousand groups in a row nest so deep.
    around: list[Chain[Any] | chord[Any]] = []
    while True:
        if isinstance(left, chord) and left.body is not None and _continues(right):
            around.append(left)
            left = left.body
        elif isinstance(left, Chain) and _goes_into_last(left, _unrolled(right)):
            around.append(left)
            last = left.tasks[-1]
            assert isinstance(last, chord)
            assert last.body is not None
            left = last.body
        else:
            break
        right = _unrolled(right)
        rights = [right, *rights[1:]]
    whole = _beside(left, rights)
    for each in reversed(around):
        if isinstance(each, chord):
            whole = each.holding(body=whole)
        else:
            last = each.tasks[-1]
            assert isinstance(last, chord)
            whole = each.holding(tasks=(*each.tasks[:-1], last.holding(body=whole)))
    return whole


def _continues(right: Signature[Any]) -> bool:
    return len(right.tasks) == 1 if isinstance(right, group) else not isinstance(right, Chain)


def _goes_into_last(left: Chain[Any], right: Signature[Any]) -> bool:
    last = left.tasks[-1] if left.tasks else None
    return isinstance(last, chord) and last.body is not None and not isinstance(right, (chord, Chain))


def _beside(left: Signature[Any], rights: Steps) -> Signature[Any]:
    right, rest = rights[0], rights[1:]
    whole: Signature[Any]
    if isinstance(left, group):
        whole = chord(left, right)
    elif isinstance(left, Chain):
        right = _unrolled(right)
        if isinstance(right, Chain):
            return _grown(left, right.unchained())
        steps = left.tasks
        if not steps and isinstance(right, group):
            return right
        if steps and isinstance(steps[-1], group) and not isinstance(right, group):
            whole = _chorded(left, right)
        else:
            return left.holding(tasks=(*steps, right, *rest))
    elif isinstance(right, Chain):
        return Chain((left, *right.unchained()))
    else:
        return Chain((left, _unrolled(right), *rest))
    return _joined(whole, rest) if rest else whole


def _chorded(left: Chain[Any], right: Signature[Any]) -> Signature[Any]:
    """A chain that ends with a group, and what waits for that."""
    *before, last = left.tasks
    made: chord[Any] = chord(last, right)
    if before and isinstance(before[-1], chord) and before[-1].body is not None:
        previous = before.pop()
        assert isinstance(previous, chord)
        assert previous.body is not None
        return left.holding(tasks=(*before, previous.holding(body=_joined(previous.body, [made]))))
    return left.holding(tasks=(*before, made))
