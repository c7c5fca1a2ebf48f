"""The jobs around a job: those it has made, and those before it in a chain."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import IncompleteStream

if TYPE_CHECKING:
    from pyqueue._core import Store


class Related:
    """What a handle knows of its relatives."""

    __slots__ = ()

    id: str
    parent: Any
    children: Any
    _store: Store

    def iterdeps(self, intermediate: bool = False) -> Iterator[tuple[Any, Any]]:
        """This handle and those of all jobs made from here, each after the one that made it: (maker, handle).

        What a job has made is known once it has ended. Raises IncompleteStream where one has not, unless
        ``intermediate``.
        """
        waiting: deque[tuple[Any, Any]] = deque([(None, self)])
        while waiting:
            maker, each = waiting.popleft()
            yield maker, each
            if each.ready():
                waiting.extend((each, child) for child in each.children or ())
            elif not intermediate:
                raise IncompleteStream(f"job {each.id} has not ended, so it is not known what it makes")

    def collect(self, intermediate: bool = False, **options: Any) -> Iterator[tuple[Any, Any]]:
        """As ``iterdeps``, with the results: (handle, what its ``get(**options)`` returns)."""
        for _, each in self.iterdeps(intermediate):
            yield each, each.get(**options)

    def get_leaf(self) -> Any:
        """The result of the last job that was made from here."""
        value = None
        for _, value in self.collect():  # noqa: B007  the last one counts
            pass
        return value

    def as_list(self) -> list[str]:
        """The ids from here back to the first step."""
        found, each = [], self
        while each is not None:
            found.append(each.id)
            each = each.parent
        return found

    def maybe_throw(self, propagate: bool = True) -> Any:
        """The result if the job has ended; raises its error if it failed, or returns that. None before."""
        each: Any = self
        return each.get(timeout=0, propagate=propagate) if each.ready() else None

    maybe_reraise = maybe_throw

    def revoke_workflow(self) -> bool:
        """Cancels all that has not run of the workflow that the job is in; False if it is in none."""
        from pyqueue._core import Workflows  # noqa: PLC0415  for those who have some

        return Workflows(self._store).cancel(self.id) is not None

    def exists(self) -> bool:
        """Whether the file knows the job."""
        each: Any = self
        return bool(each.state != "UNKNOWN")
