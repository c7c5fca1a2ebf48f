"""Idempotent producers: who sends again after a crash stores nothing twice, and who was replaced stores nothing."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pyqueue import joining, publishing, request, signals
from pyqueue.exceptions import (
    CannotJoin,
    DuplicateJob,
    InvalidJob,
    OutOfSequence,
    ProducerFenced,
)
from pyqueue.result import AsyncResult
from pyqueue.serialization import decode_result, encode_result
from pyqueue.signature import Signature

if TYPE_CHECKING:
    from pyqueue.app import PyQueue

R = TypeVar("R")

Position = bytes | str | int

_LAST: Final = 2**62


class Producer:
    """The one who sends under a name: opening it fences whoever had the name before (``ProducerFenced``).

    Each message has a sequence number, from 1. The next one is stored; one that was stored before is answered with
    the same id and stores nothing; a gap is refused (``OutOfSequence``). The ids are UUIDs made of the file's id, the
    producer's name and the sequence number: the same after a restart, others in another file. Threads may share one;
    a process that was forked off may not.
    """

    def __init__(self, app: PyQueue, name: str) -> None:
        store = app.store
        self.name: Final = name
        self._app = app
        self._pid = os.getpid()
        self._lock = Lock()
        self._epoch, self._sequence, position = store.open_producer(name)
        self._position: Position | None = None if position is None else decode_result(position)
        self._namespace = uuid.uuid5(uuid.UUID(store.public_id(0, 0)), name)
        self._doubt: tuple[int, Position | None] | None = None
        """Last number and position of a send that may have been stored or not."""
        self._closed = False

    @property
    def sequence(self) -> int:
        """The last sequence number that was stored; 0 is none."""
        with self._lock:
            self._refuse_others()
            self._decide()
            return self._sequence

    @property
    def position(self) -> Position | None:
        """What was last stored as the position: where in its source the sender is; None is the beginning."""
        with self._lock:
            self._refuse_others()
            self._decide()
            return self._position

    def send(
        self, signature: Signature[R], sequence: int | None = None, position: Position | None = None
    ) -> AsyncResult[R]:
        """As ``send_many``, of one message."""
        return self.send_many([signature], sequence, position)[0]

    def send_many(
        self,
        signatures: Iterable[Signature[R]],
        sequence: int | None = None,
        position: Position | None = None,
    ) -> list[AsyncResult[R]]:
        """Stores the messages, numbered from ``sequence`` (the next), all or none in one transaction.

        ``created`` is False for those that were stored before. ``position`` is stored in the same commit, if any of
        them is new. Raises ProducerFenced, OutOfSequence, and what ``delay`` raises.
        """
        several = list(signatures)
        if position is not None and (isinstance(position, bool) or not isinstance(position, Position)):
            raise InvalidJob(
                f"a producer's position is bytes, a text or a whole number, not {position!r:.80}"
            )
        if not several:
            if position is not None:
                raise InvalidJob("a position is stored with a message, and none is given")
            return []
        with self._lock:
            self._refuse_others()
            self._decide()
            first = self._sequence + 1 if sequence is None else _checked(sequence)
            return self._stored(several, first, position)

    def _stored(
        self, several: list[Signature[R]], first: int, position: Position | None
    ) -> list[AsyncResult[R]]:
        app, last = self._app, first + len(several) - 1
        jobs = [app.job_of(self._named(each, number)) for number, each in enumerate(several, first)]
        noted = None if position is None else encode_result(position, "the position", app.max_body)
        store, place = app.store, app.in_place
        self._doubt = (last, position)
        try:
            made = store.send(self.name, self._epoch, first, jobs, noted)
        except (ProducerFenced, OutOfSequence, InvalidJob, DuplicateJob):
            self._doubt = None
            raise
        self._doubt = None
        self._advance(last, position)
        if place is not None:
            place.follow([id for id, created in made if created])
        request.made([id for id, created in made if created])
        if signals.after_task_publish:
            for signature, (id, _) in zip(several, made, strict=True):
                publishing.after(signature, id)
        return [AsyncResult(id, store, created) for id, created in made]

    def _named(self, signature: Signature[R], number: int) -> Signature[R]:
        if not isinstance(signature, Signature):
            raise InvalidJob(f"a producer sends signatures, such as task.s(1), not {signature!r:.80}")
        self._app.refuse_misfit(signature)
        if signature.options.get("task_id") is not None:
            raise InvalidJob("a message of a producer has an id made of its number; leave task_id out")
        return signature.set(task_id=str(uuid.uuid5(self._namespace, str(number))))

    def _advance(self, last: int, position: Position | None) -> None:
        if last > self._sequence:
            self._sequence = last
            self._position = self._position if position is None else position

    def _decide(self) -> None:
        """Learns what became of a send that ended in an error of the disk, or by a signal."""
        if self._doubt is None:
            return
        try:
            self._app.store.send(self.name, self._epoch, self._doubt[0] + 1, [])
        except OutOfSequence:
            pass
        else:
            self._advance(*self._doubt)
        self._doubt = None

    def _refuse_others(self) -> None:
        if os.getpid() != self._pid:
            raise ProducerFenced(
                f"the producer {self.name!r} was opened by process {self._pid}, and a process that was forked off can't share "
                f"it: nothing was stored; open it here by app.producer({self.name!r}), which fences the other"
            )
        if joining.host_of(self._app) is not None:
            raise CannotJoin(
                f"the producer {self.name!r} stores what it sends in a transaction of its own: send outside of using() and "
                f"transaction()"
            )
        if self._closed:
            raise ProducerFenced(
                f"the producer {self.name!r} was closed; open it anew by app.producer({self.name!r})"
            )

    def close(self) -> None:
        """Nothing can be sent any more; what was sent stays."""
        self._closed = True

    def __enter__(self) -> Producer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Producer: {self.name}>"


def _checked(sequence: Any) -> int:
    if isinstance(sequence, bool) or not isinstance(sequence, int):
        raise InvalidJob(f"a sequence number is a whole number, not {sequence!r:.80}")
    if not 1 <= sequence < _LAST:
        raise InvalidJob(f"sequence numbers go from 1 to {_LAST - 1:,}, not {sequence}")
    return sequence
