"""The jobs of a run, put into the queue as they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyqueue.app import PyQueue
    from pyqueue.signature import Signature

_BATCH: Final = 1_000


class Feed:
    """While a kill is to come only ``window`` jobs are in line, so that a fast machine is not done before it."""

    def __init__(self, app: PyQueue, signatures: list[Signature[None]], window: int) -> None:
        self._app = app
        self._signatures = signatures
        self._window = window
        self.jobs: list[str] = []

    @property
    def total(self) -> int:
        """The jobs of the run, in the queue or not yet."""
        return len(self._signatures)

    def top_up(self, done: int) -> None:
        """Fills the line up to the window."""
        self._enqueue(min(self.total, done + self._window))

    def rest(self) -> None:
        """Puts all that is left into the queue."""
        while len(self.jobs) < self.total:
            self._enqueue(min(self.total, len(self.jobs) + _BATCH))

    def _enqueue(self, end: int) -> None:
        results = self._app.enqueue_many(self._signatures[len(self.jobs) : end])
        self.jobs += [result.id for result in results]
