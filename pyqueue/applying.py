"""A canvas made here and now, in this process: ``chain(…).apply()``.

Each task runs as by ``task.apply()``; ``link`` and ``link_error`` are not called.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyqueue.canvas import Chain, chord
from pyqueue.composed import Composed
from pyqueue.eager import EagerResult
from pyqueue.exceptions import ChordError, InvalidJob
from pyqueue.group_result import GroupResult
from pyqueue.mapped import Starmap
from pyqueue.shape import is_several, members, steps_of
from pyqueue.unwinding import unwound

if TYPE_CHECKING:
    from pyqueue.app import PyQueue
    from pyqueue.signature import Signature

Ended = EagerResult[Any] | GroupResult[Any]
Running = Generator["Running", Ended, Ended]


def applied(
    app: PyQueue,
    signature: Signature[Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Ended:
    """Its result, or results: what a task raises is in them."""
    if (
        not isinstance(signature, Composed)
        and not is_several(signature)
        and not isinstance(signature, Starmap)
    ):
        call = signature.clone(args, kwargs)
        task = app.tasks[call.task]
        return task.apply(call.args, call.kwargs, **options)
    return unwound(_run(app, signature, tuple(args), dict(kwargs or {})))  # type: ignore[no-any-return]


def _run(app: PyQueue, signature: Signature[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Running:
    if signature.immutable:
        args, kwargs = (), {}
    if isinstance(signature, Starmap):
        return _all_calls(app, signature)
    if isinstance(signature, Composed):
        args, kwargs = (*args, *signature.args), {**signature.more, **kwargs}
    if isinstance(signature, Chain):
        return (yield _steps(app, signature, args, kwargs))
    if isinstance(signature, chord):
        return (yield _chord(app, signature, args, kwargs))
    if is_several(signature):
        return (yield _members(app, signature, args, kwargs))
    call = signature.clone(args, kwargs)
    return app.tasks[call.task].apply(call.args, call.kwargs, task_id=call.options.get("task_id"))


def _steps(app: PyQueue, chain: Chain[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Running:
    steps = steps_of(chain)
    if not steps:
        raise InvalidJob("a chain without steps has no result; give it a signature")
    last: Any = None
    for step in steps:
        error = None if last is None else _error(last)
        if error is not None:
            failed: EagerResult[Any] = EagerResult(str(uuid.uuid4()), None, error)
            failed.parent, last = last, failed
            continue
        given = (args, kwargs) if last is None else ((_value(last),), {})
        ended = yield _run(app, step, *given)
        _first(ended).parent, last = last, ended
    return last  # type: ignore[no-any-return]


def _chord(app: PyQueue, whole: chord[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Running:
    body = whole.body
    if body is None:
        raise InvalidJob("this chord has no body to call; write chord(header, body)")
    header = yield _members(app, whole.header(), args, kwargs)
    error = _error(header)
    ended: Any
    if error is not None and whole.options.get("on_error") != "run":
        ended = EagerResult(str(uuid.uuid4()), None, error)
    else:
        ended = yield _run(app, body, (_value(header),), {})
    _first(ended).parent = header
    return ended  # type: ignore[no-any-return]


def _members(app: PyQueue, whole: Signature[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Running:
    results: list[Any] = []
    for each, _ in members(whole):
        results.append((yield _run(app, each, args, kwargs)))
    return GroupResult(str(whole.options.get("task_id") or uuid.uuid4()), results)


def _all_calls(app: PyQueue, whole: Starmap[Any]) -> EagerResult[Any]:
    task = app.tasks[whole.task]
    values = []
    for call in whole.args:
        ended = task.apply(call)
        if ended.failed():
            return EagerResult(ended.id, None, ended.result)
        values.append(ended.result)
    return EagerResult(str(uuid.uuid4()), values, None)


def _first(ended: Any) -> Any:
    """The result that has no parent yet."""
    while ended.parent is not None:
        ended = ended.parent
    return ended


def _error(ended: Any) -> Exception | None:
    if isinstance(ended, EagerResult):
        return ended.result if ended.failed() else None
    for each in ended.results:
        error = _error(each)
        if error is not None:
            return ChordError(f"Dependency {each.id} raised {type(error).__name__}: {error}")
    return None


def _value(ended: Any) -> Any:
    """A result, or the list of a group's, with the exceptions of those that failed."""
    top: list[Any] = []
    stack = [(ended, top)]
    while stack:
        each, into = stack.pop()
        if isinstance(each, EagerResult):
            into.append(each.result)
            continue
        inner: list[Any] = []
        into.append(inner)
        # Each goes to the list it belongs to once all before it are there.
        stack += [(result, inner) for result in reversed(each.results)]
    return top[0]
