"""Calls composed of calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pyqueue.signature import Pending, Signature

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue.options import CallOptionsDict

R = TypeVar("R")


class PendingGroup(Protocol[R]):
    """What sending several returns; ``group_result.GroupResult`` is one."""

    @property
    def results(self) -> Sequence[Pending[R]]: ...
    def get(self, timeout: float | None = None, propagate: bool = True) -> list[R]: ...


class GroupSender(Protocol):
    """Who makes jobs of many signatures in one transaction; the app is one."""

    def send_group(self, signatures: Iterable[Signature[R]]) -> PendingGroup[R]: ...


class Starmap(Signature[list[R]]):
    """One job that calls the task once for each of its argument lists and returns the list of results."""

    __slots__ = ()
    subtask_type: ClassVar[str | None] = "starmap"


class Chunks(Generic[R]):
    """Many calls of one task, ``size`` to a job. A job is retried whole, under the task's own options."""

    __slots__ = ("_options", "_sender", "calls", "size", "task")

    def __init__(
        self,
        task: str,
        calls: Iterable[Iterable[Any]],
        size: int,
        sender: GroupSender,
        options: CallOptionsDict,
    ) -> None:
        if size < 1:
            raise ValueError(f"a chunk needs at least one call, not {size}")
        self.task = task
        self.calls = [tuple(call) for call in calls]
        self.size = size
        self._sender = sender
        self._options = options

    def set(self, **options: Unpack[CallOptionsDict]) -> Chunks[R]:
        """Another one with these options put over ours."""
        return Chunks(self.task, self.calls, self.size, self._sender, {**self._options, **options})

    def delay(self) -> PendingGroup[list[R]]:
        """Makes the jobs, in one transaction; ``get`` gives one list of results per job."""
        return self.apply_async()

    def apply_async(self, **options: Unpack[CallOptionsDict]) -> PendingGroup[list[R]]:
        """As ``delay``, with options for each job."""
        return self._sender.send_group(self.set(**options) if options else self)

    __call__ = apply_async

    def __iter__(self) -> Iterator[Starmap[R]]:
        for start in range(0, len(self.calls), self.size):
            yield Starmap(self.task, self.calls[start : start + self.size], options=self._options)

    def __len__(self) -> int:
        return (len(self.calls) + self.size - 1) // self.size
