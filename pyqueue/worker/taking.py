"""What a job takes of those it has waited for: their results, and the exceptions of those that failed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Workflows
from pyqueue.exceptions import TaskRevokedError, WorkerLostError
from pyqueue.rebuilding import rebuilt
from pyqueue.serialization import Call, decode_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyqueue._core import Input, Job, Store

_PAGE: Final = 1_000
_REVOKED: Final = {
    "cancelled": "was cancelled",
    "expired": "expired before it could start",
    "skipped": "was left out, since what it was for has not happened",
}


def taken(store: Store, job: Job, call: Call) -> Call:
    """The call with what it takes put before its arguments. Raises DecodeError."""
    workflows = Workflows(store)
    found = list(_pages(partial(workflows.inputs, job)))
    if call.extras.takes == "last":
        found = found[-1:]
    values: list[Any] = [_value(workflows, each) for each in found]
    if call.extras.takes == "value" and workflows.kind(job) == "list":
        values = [values]
    return call._replace(args=[*values, *call.args])


def before(store: Store, job: Job) -> str | None:
    """The id of the job that a held one has waited for, the first of several; None if it has waited for none."""
    workflows = Workflows(store)
    found = workflows.inputs(job, 0, 1)
    while found and found[0].node is not None:
        found = workflows.values(found[0].node, 0, 1)
    return found[0].id if found else None


def _pages(read: Callable[[int, int], Sequence[Input]]) -> Iterator[Input]:
    start = 0
    while page := read(start, _PAGE):
        yield from page
        start += len(page)
        if len(page) < _PAGE:
            return


def _value(workflows: Workflows, top: Input) -> Any:
    """Its result, or the list of the node it stands for, to any depth."""
    if top.node is None:
        return _single(top)
    whole: list[Any] = []
    stack = [(top.node, whole)]
    while stack:
        node, into = stack.pop()
        for each in _pages(partial(workflows.values, node)):
            if each.node is None:
                into.append(_single(each))
            else:
                inner: list[Any] = []
                into.append(inner)
                stack.append((each.node, inner))
    return whole


def _single(found: Input) -> Any:
    if found.state == "success":
        return None if found.body is None else decode_result(found.body, found.content_type)
    if found.state in _REVOKED:
        return TaskRevokedError(f"job {found.id} {_REVOKED[found.state]}")
    if found.failure is None:
        return WorkerLostError(f"job {found.id} is {found.state}")
    return rebuilt(found.failure)
