"""What sending a group returns: its members' handles, with an id by which they are found again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pyqueue._core import Workflows
from pyqueue.exceptions import ImproperlyConfigured, InvalidJob, UnknownJob
from pyqueue.result import AsyncResult
from pyqueue.result_set import ResultSet

if TYPE_CHECKING:
    from pyqueue._core import Store
    from pyqueue.app import PyQueue

R = TypeVar("R")

_PAGE: Final = 1_000


class GroupResult(ResultSet[R]):
    """The handles of a group's members, in order.

    One that was sent as a whole is found again by its ``id`` (``GroupResult.restore``, ``app.GroupResult.restore``), and
    its counts are asked of the file at once. The header of a chord and a group within a chain are parts of a workflow, and
    aren't.
    """

    def __init__(
        self,
        id: str | list[AsyncResult[R]] | None = None,
        results: list[AsyncResult[R]] | None = None,
        store: Store | None = None,
        *,
        parent: Any = None,
        workflow: bool = False,
        app: PyQueue | None = None,
    ) -> None:
        if isinstance(id, list):
            id, results = None, id
        super().__init__([] if results is None else results)
        self.id = id
        self.parent = parent
        self._store = app.store if store is None and app is not None else store
        self._workflow = workflow
        self._restored = results is None and workflow

    @classmethod
    def restore(cls, id: str, *, app: PyQueue | None = None) -> GroupResult[Any]:
        """The group of this id. Raises UnknownJob if the file has none."""
        if app is None:
            raise ImproperlyConfigured(
                "GroupResult.restore(id) does not know in which file to look: pass app=, or use app.GroupResult.restore(id)"
            )
        group = cls(id, None, app.store, workflow=True)
        if group._progress() is None:
            raise UnknownJob(f"{app.store.path} holds no group {id}")
        return group

    def save(self) -> GroupResult[R]:
        """Nothing is left to do: a group that was sent is in the file. Raises InvalidJob for any other."""
        if not self._workflow:
            raise InvalidJob(
                "only a group that was sent as a whole can be restored; keep the ids of these results"
            )
        return self

    def delete(self) -> None:
        """Drops the results of those that have ended."""
        self.forget()

    @property
    def results(self) -> list[AsyncResult[R]]:
        """The handles, read from the file if the group was restored."""
        if self._restored:
            self._results[:] = self._pages()
            self._restored = False
        return self._results

    @property
    def children(self) -> list[AsyncResult[R]]:
        """The handles, as ``results``."""
        return self.results

    def _streamed(self) -> Iterator[Any]:
        return self._pages() if self._restored else iter(self._results)

    def _pages(self) -> Iterator[Any]:
        """The members of a restored group, a page at a time."""
        assert self._store is not None
        assert self.id is not None
        workflows = Workflows(self._store)
        start = 0
        while page := workflows.members(self.id, start, _PAGE):
            for each in page:
                yield _handle(workflows, self._store, each)
            start += len(page)

    def _progress(self) -> tuple[int, int, int] | None:
        if not self._workflow or self._store is None or self.id is None:
            return None
        return Workflows(self._store).progress(self.id)

    def ready(self) -> bool:
        """Whether all have ended."""
        progress = self._progress()
        return super().ready() if progress is None else progress[1] == 0

    def successful(self) -> bool:
        """Whether all have ended with a result."""
        progress = self._progress()
        return super().successful() if progress is None else progress[1:] == (0, 0)

    def failed(self) -> bool:
        """Whether one has ended with an error, or was cancelled."""
        progress = self._progress()
        return super().failed() if progress is None else progress[2] > 0

    def completed_count(self) -> int:
        """How many have ended with a result."""
        progress = self._progress()
        return super().completed_count() if progress is None else progress[0] - progress[1] - progress[2]

    def revoke(self, **options: Any) -> None:
        """Cancels all that is not running, also within its members; with ``terminate=True`` ends what is running."""
        if self._progress() is None:
            super().revoke(**options)
            return
        assert self._store is not None
        assert self.id is not None
        running = Workflows(self._store).cancel(self.id) or []
        if options.get("terminate"):
            for id in running:
                AsyncResult[Any](id, self._store).revoke(**options)

    def __len__(self) -> int:
        if self._restored and (progress := self._progress()) is not None:
            return progress[0]
        return len(self.results)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupResult):
            return NotImplemented
        return self.id == other.id and (self.id is not None or self.results == other.results)

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return str(self.id)

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} of {len(self)} jobs>"


def _handle(workflows: Workflows, store: Store, each: Any) -> Any:
    """The handle of a member, or of the group at the end of one."""
    top: list[Any] = []
    stack = [(each, top)]
    while stack:
        one, into = stack.pop()
        if one.node is None:
            into.append(AsyncResult[Any](one.id, store))
            continue
        inner: list[Any] = []
        into.append(GroupResult[Any](None, inner, store))
        found: list[Any] = []
        while page := workflows.values(one.node, len(found), _PAGE):
            found += page
        # Placed in order only by being taken one after the other from the end.
        stack += [(value, inner) for value in reversed(found)]
    return top[0]
