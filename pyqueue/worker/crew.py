"""The supervisors of one worker: one for all its queues, and one for each queue that has slots of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from pyqueue.exceptions import InvalidCommand
from pyqueue.own_tasks import NAMES
from pyqueue.worker.describing import encoded

if TYPE_CHECKING:
    from pyqueue._core import Event, Worker


class Crew:
    """They start, stop and end together."""

    def __init__(self, workers: Sequence[Worker], facts: dict[str, Any], *, shared: bool = True) -> None:
        self._workers: Final = workers
        self._shared: Final = workers[0] if shared else None
        self._facts = facts
        self._telling: Final = threading.Lock()
        self._lock: Final = threading.Lock()
        self._starting = len(workers)

    def stop(self, *, cold: bool = False) -> None:
        """Warm: no new claims, running jobs finish within the grace time. Cold: children are killed."""
        for worker in self._workers:
            worker.stop(cold=cold)

    @property
    def id(self) -> int:
        """The id under which it is told what to do: that of the first."""
        return self._workers[0].id

    def _whole(self) -> Worker:
        """The one for all queues. Raises InvalidCommand where there is none."""
        if self._shared is None:
            raise InvalidCommand("every slot of this worker is reserved for one queue: start it otherwise")
        return self._shared

    def grow(self, more: int) -> str:
        """So many children more, for all queues; what was done. Raises QueueError where it can't be."""
        said = self._whole().grow(more)
        self.describe(concurrency=self._facts["concurrency"] + more)
        return said

    def shrink(self, fewer: int) -> str:
        """So many fewer."""
        said = self._whole().shrink(fewer)
        self.describe(concurrency=self._facts["concurrency"] - fewer)
        return said

    def scale(self, most: int | None, least: int | None) -> str:
        """Other bounds for a number that follows the load."""
        said = self._whole().scale(most, least)
        reserved = sum(self._facts["reserved"].values())
        most = most or self._facts["concurrency"] - reserved
        self.describe(concurrency=most + reserved, least=min(most, least or self._facts["least"]))
        return said

    def serve(self, queue: str) -> str:
        """Takes jobs of a queue too."""
        said = self._whole().serve(queue)
        queues = self._facts["queues"]
        if queues is not None and queue not in queues:
            self.describe(queues=[*queues, queue])
        return said

    def unserve(self, queue: str) -> str:
        """Takes no more jobs of a queue, not in the slots that are reserved for it either."""
        said = [worker.unserve(queue) for worker in self._workers]
        self.describe(queues=[name for name in self._facts["queues"] if name != queue])
        return said[0]

    def limit(self, task: str, hard_us: int | None, soft_us: int | None) -> str:
        """Other time limits for a task's jobs that begin from now on."""
        said = [worker.limit(task, hard_us, soft_us) for worker in self._workers]
        return said[0]

    def reload(self) -> None:
        """Replaces the children by new ones, which load the app anew."""
        for worker in self._workers:
            worker.reload()

    def describe(self, **changed: Any) -> None:
        """Changes what the worker says of itself in the file, as ``describing.facts_of`` has it."""
        with self._telling:
            self._facts |= changed
            said = encoded(self._facts)
            for worker in self._workers:
                worker.describe(said)

    def _reloaded(self, worker: Worker) -> None:
        """Tells the tasks of the new code; those that this process has not loaded without their options."""
        names = set(worker.tasks() or ()) - {*NAMES}
        known: dict[str, Any] = self._facts["tasks"]
        if names and names != known.keys():
            self.describe(tasks={name: known.get(name, {}) for name in sorted(names)})

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
                if event.kind == "reload":
                    self._reloaded(worker)
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
