"""What sending a graph returns: the handles of its nodes by their names."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Workflows
from pyqueue.exceptions import TaskRevokedError
from pyqueue.result import AsyncResult

if TYPE_CHECKING:
    from pyqueue._core import Store

_PAGE: Final = 1_000


class GraphResult(Mapping[str, AsyncResult[Any]]):
    """``result["clean"]`` is the handle of the node ``clean``."""

    def __init__(
        self, id: str, results: Mapping[str, AsyncResult[Any]], ends: Sequence[str], store: Store
    ) -> None:
        self.id = id
        self.results = dict(results)
        self._ends = list(ends)
        self._store = store

    def get(  # type: ignore[override]
        self, timeout: float | None = None, propagate: bool = True
    ) -> dict[str, Any]:
        """Waits ``timeout`` seconds in all for the nodes that nothing waits for; the results of all nodes that had success.

        Raises the error of the first of those that has failed, or was cancelled; one that was skipped has done neither.
        Raises TimeoutError.
        """
        end = None if timeout is None else time.monotonic() + timeout
        for name in self._ends:
            left = None if end is None else max(0.0, end - time.monotonic())
            self.results[name].get(left, propagate=False)
        skipped = self._skipped()
        if propagate:
            for name in self._ends:
                if name not in skipped:
                    self.results[name].get(0)
        return {name: each.get(0) for name, each in self.results.items() if each.successful()}

    def _skipped(self) -> set[str]:
        """Those ends that had no reason to run."""
        states: list[str] = []
        workflows = Workflows(self._store)
        while page := workflows.members(self.id, len(states), _PAGE):
            states += [each.state for each in page]
        return {name for name, state in zip(self._ends, states, strict=False) if state == "skipped"}

    @property
    def state(self) -> str:
        """running, undoing, success or failed; unknown once it is not kept any more."""
        found = Workflows(self._store).tree(self.id)
        return "unknown" if found is None else found[0].state

    def ready(self) -> bool:
        """Whether all nodes have ended. What undoes them may still run: then ``state`` is undoing."""
        return all(self.results[name].ready() for name in self._ends)

    def successful(self) -> bool:
        """Whether it has come to its end without a failure that nothing has caught."""
        return self.state == "success"

    def failed(self) -> bool:
        """Whether one of the nodes that nothing waits for has failed, or was cancelled."""
        return self.state in ("undoing", "failed")

    def revoke(self) -> None:
        """Cancels all that has not run."""
        Workflows(self._store).cancel(self.id)

    def errors(self) -> dict[str, Exception]:
        """What the nodes have raised that failed, or were cancelled."""
        found = {name: each.get(0, propagate=False) for name, each in self.results.items() if each.ready()}
        return {
            name: error
            for name, error in found.items()
            if isinstance(error, Exception)
            and not (isinstance(error, TaskRevokedError) and name in self._skipped())
        }

    def __getitem__(self, name: str) -> AsyncResult[Any]:
        return self.results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        return f"<GraphResult: {self.id} of {len(self.results)} nodes>"
