"""The supervisors of one worker: one for all its queues, and one for each queue that has slots of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyqueue._core import Event, Worker


class Crew:
    """They start, stop and end together."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers: Final = workers
        self._lock: Final = threading.Lock()
        self._starting = len(workers)

    def stop(self, *, cold: bool = False) -> None:
        """Warm: no new claims, running jobs finish within the grace time. Cold: children are killed."""
        for worker in self._workers:
            worker.stop(cold=cold)

    def reload(self) -> None:
        """Replaces the children by new ones, which load the app anew."""
        for worker in self._workers:
            worker.reload()

    def dump(self) -> None:
        """Asks each child for its stacks; they come as events."""
        for worker in self._workers:
            worker.dump()

    def abandon(self) -> None:
        """Kills all children, for a process that is about to end because a supervisor stands still."""
        self.stop(cold=True)
        for worker in self._workers:
            worker.destroy()

    def listen(self, heard: Callable[[Event], None]) -> None:
        """Hands over every event, one at a time, until all have stopped. They are "ready" once all are.

        Those of the first come in this thread, in which signals are answered.
        """
        threads = [
            threading.Thread(target=self._listen, args=(worker, heard), name="pyqueue-events", daemon=True)
            for worker in self._workers[1:]
        ]
        for thread in threads:
            thread.start()
        self._listen(self._workers[0], heard)
        for thread in threads:
            thread.join()

    def _listen(self, worker: Worker, heard: Callable[[Event], None]) -> None:
        first = worker is self._workers[0]
        try:
            while (event := worker.next_event()) is not None:
                with self._lock:
                    if event.kind == "ready":
                        self._starting -= 1
                        if self._starting > 0:
                            continue
                    elif event.kind in ("stopping", "stopped") and not first:
                        continue
                    heard(event)
        finally:
            # One that has ended by itself could not start its children: alone the others are no worker.
            self.stop()
