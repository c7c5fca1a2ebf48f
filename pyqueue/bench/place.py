"""Where a row is measured: a new folder with a queue file in it, and workers on that file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pyqueue.bench.tally import FOLDER, Tallies
from pyqueue.demo.processes import WorkerProcess
from pyqueue.exceptions import QueueError

if TYPE_CHECKING:
    from pyqueue.signature import Signature

QUICK: Final = 0.25
"""The scale of a quick run."""

_TARGET: Final = "pyqueue.bench.tasks:app"
_CHUNK: Final = 10_000


class Place:
    """A folder, its queue file, and how large the row is to be: ``scale`` 1 is the full size.

    One to a process: the app of ``pyqueue.bench.tasks`` belongs to it.
    """

    def __init__(self, folder: str, durability: str, scale: float) -> None:
        self.folder = folder = os.path.abspath(folder)
        self.db = os.path.join(folder, "jobs.db")
        self.tallies = Tallies(folder)
        self._scale = scale
        # For this process and for the workers that it starts.
        os.environ |= {FOLDER: folder, "PYQUEUE_DB": self.db, "PYQUEUE_DURABILITY": durability}

        from pyqueue.bench import tasks  # noqa: PLC0415  its app reads the environment

        self.tasks = tasks
        self.app = tasks.app

    def many(self, count: int, least: int = 100) -> int:
        """A number of jobs to this scale."""
        return max(least, round(count * self._scale))

    def whole(self, count: int) -> int:
        """A number that the row's title names: the same in a quick run, less only where the benchmark is tried out."""
        return count if self._scale >= QUICK else self.many(count, least=20_000)

    def seconds(self, length: float, least: float = 0.5) -> float:
        """A length of time to this scale."""
        return max(least, length * self._scale)

    def fill(self, count: int, signature: Signature[Any] | None = None) -> None:
        """Puts so many jobs in line, 10,000 in a transaction; no-ops, unless it is said which."""
        job = self.app.job_of(signature or self.tasks.nothing.s(0))
        for at in range(0, count, _CHUNK):
            self.app.store.enqueue([job] * min(_CHUNK, count - at))

    @contextmanager
    def worker(self, concurrency: int = 2, *flags: str) -> Iterator[WorkerProcess]:
        """A worker that is ready; stopped at the end."""
        with open(os.path.join(self.folder, "worker.log"), "ab") as log:
            worker = WorkerProcess("bench", _TARGET, self.db, concurrency, log, flags=flags)
            try:
                worker.wait_ready()
                yield worker
            finally:
                worker.stop()
                worker.close()

    def until(self, condition: Callable[[], bool], every: float = 0.001, within: float = 600.0) -> float:
        """Waits for it; the instant it was seen. Raises QueueError if it takes too long."""
        end = time.perf_counter() + within
        while not condition():
            if time.perf_counter() > end:
                raise QueueError(f"what was waited for did not happen within {within:g} s")
            time.sleep(every)
        return time.perf_counter()

    def succeeded(self) -> int:
        """How many jobs have succeeded, by the file's own count."""
        return sum(queue.succeeded for queue in self.app.store.queues())
