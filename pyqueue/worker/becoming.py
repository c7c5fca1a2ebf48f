"""What a running job becomes, adds to its group, and does only once."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyqueue._core import Workflows
from pyqueue.attempt import Attempt
from pyqueue.composer import is_composed, wrapped
from pyqueue.exceptions import Replaced, TransactionError
from pyqueue.message import Place
from pyqueue.own_tasks import VALUE
from pyqueue.result import AsyncResult
from pyqueue.serialization import CONTENT_TYPE, Call, decode_result, encode_call, encode_result
from pyqueue.signature import Signature

if TYPE_CHECKING:
    from pyqueue._core import Job, NewJob, Plan
    from pyqueue.app import PyQueue
    from pyqueue.worker.transaction import Block


class Becoming(Attempt):
    """The part of a job that is about its workflow."""

    __slots__ = ("app", "block", "call", "job", "members")

    app: PyQueue
    job: Job
    call: Call
    members: list[NewJob]
    block: Block | None

    def replaced(self, signature: Signature[Any]) -> Any:
        """Ends the attempt: the job goes on as ``signature``."""
        self._refuse_in_transaction("replace()")
        raise Replaced(signature)

    def replacement(self, signature: Signature[Any]) -> tuple[Plan, bytes]:
        """The plan of what the job becomes, and the message under which it goes on once that is done."""
        from pyqueue.canvas import Chain  # noqa: PLC0415  for those who do it
        from pyqueue.planning import planned  # noqa: PLC0415
        from pyqueue.shape import is_several, last_of  # noqa: PLC0415

        last = last_of(signature)
        if last is None or not is_several(last):
            # What waits for a single result is told of its failure by nobody but who has failed.
            signature = signature.set()
            for errback in self.call.extras.link_error or ():
                signature.link_error(errback)
        plan = planned(self.app, signature if is_composed(signature) else Chain(signature)).plan
        if not len(plan):
            plan = planned(self.app, Chain(Signature(VALUE, ([],)))).plan
        extras = self.call.extras._replace(takes="value")
        return plan, encode_call(
            Call([], {}, self.call.ignore_result, False, extras), self.job.task, self.app.max_body
        )

    def added(self, signature: Signature[Any]) -> AsyncResult[Any]:
        """Adds a member to the group that the job is in, once it succeeds."""
        extras = self.call.extras
        if extras.chord is None:
            raise ValueError(f"job {self.job.id} of {self.job.task} is no member of a chord")
        self._refuse_in_transaction("add_to_chord()")
        if is_composed(signature):
            signature = wrapped(signature)
        # Its handle is wanted before the file could give it an id.
        id = signature.options.get("task_id") or str(uuid.uuid4())
        place = Place(group=extras.group, chord=extras.chord)
        self.members = [*self.members, self.app.job_of(signature.set(task_id=id), place)]
        return AsyncResult(id, self.app.store)

    def step(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What a step returns, or has returned to an earlier attempt."""
        workflows = Workflows(self.app.store)
        kept = workflows.step(self.job, name)
        if kept is not None:
            value = decode_result(*kept)
            return _given(value) if inspect.iscoroutinefunction(function) else value
        value = function(*args, **kwargs)
        if inspect.iscoroutine(value):
            return self._kept_later(name, value)
        return self._kept(name, value)

    async def _kept_later(self, name: str, value: Any) -> Any:
        return self._kept(name, await value)

    def _kept(self, name: str, value: Any) -> Any:
        self._refuse_in_transaction("step()")
        what = f"the result of step {name!r} of {self.job.task}"
        body = encode_result(value, what, self.app.max_body)
        Workflows(self.app.store).keep_step(self.job, name, body, CONTENT_TYPE)
        return decode_result(body)

    def _refuse_in_transaction(self, what: str) -> None:
        if self.block is not None and self.block.is_open:
            raise TransactionError(
                f"{what} in {self.job.task} can't be had inside of transaction(), which ends the job by its own commit: "
                f"call it outside of the block"
            )


async def _given(value: Any) -> Any:
    return value
