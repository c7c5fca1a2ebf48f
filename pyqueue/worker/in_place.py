"""Jobs that run where they are made: ``task_always_eager`` and ``testing()``.

Each goes through a queue file of its own, a temporary one, and through the code a worker's child runs, so
arguments and results are written and read as in production.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Store, Workflows
from pyqueue.result import AsyncResult
from pyqueue.result_set import flat
from pyqueue.worker.run_job import run_job

if TYPE_CHECKING:
    from pyqueue._core import Job, NewJob, Plan
    from pyqueue.app import PyQueue

_DAY_US: Final = 86_400_000_000
_LOOK_US: Final = 50_000


class InPlace:
    """A temporary queue file, and the one who runs its jobs: whoever makes them."""

    def __init__(self, app: PyQueue, propagate: bool) -> None:
        self.propagate = propagate
        self.pid: Final = os.getpid()
        self._app = app
        folder = tempfile.mkdtemp(prefix="pyqueue-")
        self._remove = weakref.finalize(self, _remove, folder, self.pid)
        self.store = Store(os.path.join(folder, "jobs.db"), durability="normal", max_body=app.max_body)
        self._worker = self.store.join("in place", 1, _DAY_US)
        self._here = threading.local()

    def run(self, jobs: Sequence[NewJob]) -> list[tuple[str, bool]]:
        """Makes the jobs and runs them, with all that follows from them. Raises what one raises if we propagate."""
        made = self.store.enqueue(jobs)
        self.follow([id for id, _ in made])
        return made

    def begin(self, plan: Plan) -> list[tuple[str, bool]]:
        """Stores a workflow."""
        return list(Workflows(self.store).enqueue(plan))

    def finish(self, ends: Sequence[Any]) -> None:
        """Runs all of it. Raises what one of these handles raises if we propagate."""
        self.follow([each.id for each in flat(ends)])

    def settle(self, id: str, commit: bool) -> bool:
        """Settles a half message; the job of one that is committed runs at once."""
        done = self.store.settle(id, commit)
        if done and commit:
            self.follow([id])
        return done

    def follow(self, ids: Sequence[str]) -> None:
        """Runs what is in line until these jobs have ended. Raises what one raises if we propagate."""
        self._drain()
        for id in ids:
            result: AsyncResult[Any] = AsyncResult(id, self.store)
            # Another thread may have taken it; a job of our own stack waits for us.
            while self.store.view(id).state == "running" and id not in self._stack:
                self.store.wait(id, _LOOK_US)
                self._drain()
            self._raise(result)

    @property
    def _stack(self) -> list[str]:
        """The jobs this thread is in."""
        stack: list[str] | None = getattr(self._here, "stack", None)
        if stack is None:
            stack = self._here.stack = []
        return stack

    def _drain(self) -> None:
        while claimed := self.store.claim(self._worker, 1):
            self._run(claimed[0])

    def _run(self, job: Job) -> None:
        self._stack.append(job.id)
        try:
            outcome = run_job(self._app, job, "in place")
        finally:
            self._stack.pop()
        self.store.finish([(job, outcome)])
        if self.store.view(job.id).state == "waiting":
            # Reject(requeue=True) gives a job to another worker, and there is none: it would come back for ever.
            self.store.cancel(job.id)

    def _raise(self, result: AsyncResult[Any]) -> None:
        failure = self.store.view(result.id).failure
        if failure is None:
            return
        if failure.error == "builtins.KeyboardInterrupt":
            raise KeyboardInterrupt
        if self.propagate and result.ready():
            result.get()

    def close(self) -> None:
        """Removes the file."""
        self.store.close()
        self._remove()


def _remove(folder: str, pid: int) -> None:
    # A process that was forked off ends with the same finalizers.
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
