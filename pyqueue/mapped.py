"""Many calls of one task in one job, or in a few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pyqueue.signature import Sender, Signature

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue.options import CallOptionsDict

R = TypeVar("R")


class Starmap(Signature[list[R]]):
    """One job that calls the task once for each of its argument lists and returns the list of results.

    As in Celery it takes nothing from the step before it.
    """

    __slots__ = ()
    celerys: ClassVar[str] = "celery.starmap"

    def __init__(
        self,
        task: str,
        calls: Iterable[Iterable[Any]],
        options: Mapping[str, Any] | None = None,
        sender: Sender | None = None,
    ) -> None:
        super().__init__(task, [tuple(call) for call in calls], None, options, immutable=True, sender=sender)

    @property
    def it(self) -> list[Any]:
        """What Celery calls the task with, one after the other."""
        return [list(call) for call in self.args]


class Xmap(Starmap[R]):
    """As ``Starmap``, of calls with one argument."""

    __slots__ = ()
    celerys: ClassVar[str] = "celery.map"

    @property
    def it(self) -> list[Any]:
        """What Celery calls the task with, one after the other."""
        return [call[0] for call in self.args]


class Chunks(Signature[list[list[R]]]):
    """Many calls of one task, ``size`` to a job. A job is retried whole, under the task's own options.

    In a chain it is the group of its jobs.
    """

    __slots__ = ()

    def __init__(
        self,
        task: str,
        calls: Iterable[Iterable[Any]],
        size: int,
        options: Mapping[str, Any] | None = None,
        sender: Sender | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"a chunk needs at least one call, not {size}")
        super().__init__(
            task,
            [tuple(call) for call in calls],
            {"n": size},
            options,
            immutable=True,
            sender=sender,
        )

    @property
    def calls(self) -> Sequence[tuple[Any, ...]]:
        """The argument lists."""
        return self.args

    @property
    def size(self) -> int:
        """How many calls go to a job."""
        size: int = self.kwargs["n"]
        return size

    def group(self) -> Signature[list[list[R]]]:
        """The group of its jobs."""
        from pyqueue.canvas import group  # noqa: PLC0415  it imports this module

        return group(*self, **self.options)

    def __call__(self, **options: Unpack[CallOptionsDict]) -> Any:
        return self.apply_async(**options)

    def __iter__(self) -> Iterator[Starmap[R]]:
        for start in range(0, len(self.calls), self.size):
            yield Starmap(self.task, self.calls[start : start + self.size], sender=self.sender)

    def __len__(self) -> int:
        return (len(self.calls) + self.size - 1) // self.size
