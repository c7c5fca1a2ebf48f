"""What a canvas consists of as it is run: members without groups among them, steps without what is empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pyqueue.canvas import Chain, chord, group
from pyqueue.composed import Composed
from pyqueue.mapped import Chunks
from pyqueue.signature import Signature

Member = tuple[Signature[Any], Mapping[str, Any]]
"""One of a group, and the options of the groups around it within that."""

_OWN: Final = ("link", "link_error", "task_id", "on_error")
"""Options of a canvas that do not go on to its members as they are."""


def is_several(signature: Signature[Any]) -> bool:
    """Whether it stands for several jobs at the same time."""
    return isinstance(signature, (group, Chunks))


def members(signature: Signature[Any]) -> Iterator[Member]:
    """The members of a group, with those of groups among them, as in Celery; and the options of these groups.

    What the group itself says of arguments and options is the caller's to pass on.
    """
    own = signature.passing() if isinstance(signature, group) else iter(cast("Chunks[Any]", signature))
    stack: list[tuple[Iterator[Signature[Any]], Mapping[str, Any]]] = [(own, {})]
    while stack:
        each = next(stack[-1][0], None)
        around = stack[-1][1]
        if each is None:
            stack.pop()
        elif is_several(each):
            stack.append((_passing(each), {**shared(each.options), **around}))
        elif not (isinstance(each, Chain) and not each.tasks):
            yield each, around


def _passing(signature: Signature[Any]) -> Iterator[Signature[Any]]:
    if isinstance(signature, Chunks):
        return iter(signature)
    assert isinstance(signature, group)
    if not (signature.args or signature.more or signature.immutable):
        return signature.passing()
    if signature.immutable:
        return (each.set(immutable=True) for each in signature.passing())
    return (each.clone(signature.args, signature.more) for each in signature.passing())


def shared(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _OWN}


def steps_of(chain: Chain[Any]) -> list[Signature[Any]]:
    """As Celery runs them: a group of one is its member; empty groups and chains are left out unless nothing else is
    there."""
    unrolled = [_unrolled(each) for each in chain.tasks]
    steps = [each for each in unrolled if not (isinstance(each, (group, Chain)) and not each.tasks)]
    return steps or unrolled[-1:]


def _unrolled(each: Signature[Any]) -> Signature[Any]:
    if not isinstance(each, group) or len(each.tasks) != 1:
        return each
    if not (each.options or each.args or each.more):
        return each.tasks[0]
    return each.tasks[0].clone(each.args, each.more, **shared(each.options))


def last_of(signature: Signature[Any]) -> Signature[Any] | None:
    """Whose value is its value."""
    each: Signature[Any] | None = signature
    while isinstance(each, (Chain, chord)):
        if isinstance(each, chord):
            each = each.body
        else:
            steps = steps_of(each)
            each = steps[-1] if steps else None
    return each


def first_of(signature: Signature[Any]) -> Signature[Any] | None:
    """Whose job is its first."""
    each: Signature[Any] | None = signature
    while isinstance(each, Composed):
        each = each.first() or each.follower
    return each
