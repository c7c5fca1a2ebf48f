"""Half messages: a job that is stored, and that nobody may start before its sender says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pyqueue import joining, publishing, request, signals
from pyqueue._core import NewJob
from pyqueue.arguments import stub_of
from pyqueue.exceptions import AlreadySettled, CannotJoin, ImproperlyConfigured, InvalidJob
from pyqueue.extras import Extras
from pyqueue.moments import length_us
from pyqueue.result import AsyncResult
from pyqueue.serialization import Call, encode_call
from pyqueue.signature import Signature

if TYPE_CHECKING:
    from datetime import timedelta

    from pyqueue._core import Store
    from pyqueue.app import PyQueue
    from pyqueue.options import CallOptions

R = TypeVar("R")

_QUESTION_US: Final = 60_000_000
"""The time limit of a check-back whose task has none: it should be a look at one row."""


class Half(Generic[R]):
    """A job that is prepared. ``with`` commits it at the end of the block, or rolls it back if that raises.

    A crash in the block leaves it prepared; then the task's check-back decides.
    """

    __slots__ = ("_mine", "_over", "_pid", "_settle", "_store", "_verdict", "id", "result")

    def __init__(self, store: Store, settle: Callable[[str, bool], bool], result: AsyncResult[R]) -> None:
        self.id: Final = result.id
        self.result: Final = result
        """The handle of the job. ``created`` is False where a job has its ``task_id`` or dedup key already: that
        one is not this sender's to settle, and neither ``commit`` nor ``rollback`` touches it."""
        self._store = store
        self._settle = settle
        self._mine = result.created is not False
        self._verdict: bool | None = None
        self._over = not self._mine
        """The end of the block has nothing to say."""
        self._pid = os.getpid()

    def commit(self) -> bool:
        """Lets the job start; False if it was let start before. Raises AlreadySettled if it was rolled back."""
        return self._say(True)

    def rollback(self) -> bool:
        """Cancels the job; False if it was cancelled before. Raises AlreadySettled if it was committed."""
        return self._say(False)

    def _say(self, commit: bool) -> bool:
        if not self._mine or self._verdict is commit:
            return False
        done = self._settle(self.id, commit)
        if not done:
            state = self._store.view(self.id).state
            gone = state in ("cancelled", "expired", "unknown")
            if gone is commit:
                raise AlreadySettled(
                    f"half message {self.id} can't be {'committed' if commit else 'rolled back'}: it is {state}; a check-back "
                    f"answers UNKNOWN for as long as its work may still be under way"
                )
        self._verdict = commit
        self._over = True
        return done

    def leave(self) -> None:
        """Says nothing at the end of the block: the check-back decides, where a COMMIT may or may not have happened."""
        self._over = True

    def __enter__(self) -> Half[R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A process that was forked off in the block leaves it too, and has nothing to say.
        if self._over or os.getpid() != self._pid:
            return
        if error is None:
            self.commit()
            return
        try:
            self.rollback()
        except Exception as second:  # noqa: BLE001  what the block raised is what its user has to know
            error.add_note(f"pyqueue: the half message {self.id} was not rolled back: {second}")

    def __repr__(self) -> str:
        return f"<Half: {self.id}>"


def prepare(app: PyQueue, signature: Signature[R], timeout: float | timedelta) -> Half[R]:
    """Stores the job of a call as a half message, and with it the question to ask after ``timeout`` seconds."""
    if joining.host_of(app) is not None:
        raise CannotJoin(
            "a job sent inside of using() or transaction() is part of that transaction already: send it there by delay()"
        )
    if type(signature) is not Signature:
        raise InvalidJob(f"a half message is one call, such as task.s(1), not {signature!r:.80}")
    task = app.tasks.get_task(signature.task)
    if task is None or task.asked_back is None:
        raise ImproperlyConfigured(
            f"{signature.task} has no check-back, so nobody could say what became of a sender that crashed; "
            f"register one with @{signature.task.rpartition('.')[2]}.check_back"
        )
    fits = stub_of(task.asked_back)
    if fits is not None:
        fits(*signature.args, **signature.kwargs)
    pause_us = length_us(timeout, "a timeout")
    if pause_us == 0:
        raise ValueError(f"a half message needs a timeout above zero, not {timeout}")
    import uuid  # noqa: PLC0415

    options = app.options_of(signature)
    id = options.task_id or str(uuid.uuid4())
    job = app.job_of(signature.set(task_id=id))
    question = _question(signature, options, id, app.max_body)
    store, place = app.store, app.in_place
    id, created = store.prepare(job, question, pause_us)
    request.made([id])
    if signals.after_task_publish:
        publishing.after(signature, id)
    return Half(store, store.settle if place is None else place.settle, AsyncResult(id, store, created))


def _question(signature: Signature[Any], options: CallOptions, id: str, max_body: int) -> NewJob:
    """The job that asks: one of the same task, so that who can run the one can answer the other."""
    import uuid  # noqa: PLC0415

    call = Call(list(signature.args), dict(signature.kwargs), True, extras=Extras(check_back=id))
    limit, soft = options.time_limit, options.soft_time_limit
    return NewJob(
        signature.task,
        encode_call(call, signature.task, max_body),
        queue=options.queue,
        priority=options.priority,
        # Where nobody can answer, the questions don't pile up.
        dedup_key=f"check-back:{uuid.uuid5(uuid.NAMESPACE_OID, id)}",
        max_losses=1,
        time_limit_us=_QUESTION_US if limit is None else length_us(limit),
        soft_time_limit_us=None if soft is None else length_us(soft),
    )
