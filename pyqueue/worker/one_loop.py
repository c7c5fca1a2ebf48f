"""``-P asyncio``: the jobs of a child as tasks of one event loop.

A job whose function is ``async def`` runs on the loop. A plain one has a thread for itself, and so has every job of an
app with middleware, which is plain code around the task.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from pyqueue import signals
from pyqueue._core import Outcome
from pyqueue.attempt import Ended, attempt_here
from pyqueue.exceptions import (
    DecodeError,
    NotRegistered,
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
    TransactionError,
)
from pyqueue.states import FAILURE
from pyqueue.worker.asks import ON_LOOP, noted
from pyqueue.worker.awaited import Awaited
from pyqueue.worker.run_job import Run, call_of, outcome_of, run_job
from pyqueue.worker.soft_limit import text_of_soft

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from pyqueue._core import ChildPipe, Job
    from pyqueue.app import PyQueue
    from pyqueue.worker.transaction import Block

log: Final = logging.getLogger("pyqueue.worker")


class RunHere(Run):
    """A job whose coroutine runs on the loop of this thread."""

    __slots__ = ("awaited", "cut")

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.cut = False
        """Whether its hard limit is over."""

    async def called_here(self) -> Any:
        """Calls the function; its time limits are raised in it where it waits."""
        if self.task.options.transactional:
            raise self._no_block()
        loop = asyncio.get_running_loop()
        job = self.job
        with self.copies:
            self.awaited = awaited = Awaited(self._values_here())
            ON_LOOP.add(self)
            timers = []
            if job.soft_time_limit_us is not None:
                soft = SoftTimeLimitExceeded(text_of_soft(job.soft_time_limit_us))
                timers.append(loop.call_later(job.soft_time_limit_us / 1e6, awaited.interrupt, soft, None))
            if job.time_limit_us is not None:
                timers.append(loop.call_later(job.time_limit_us / 1e6, self._cut, awaited))
            try:
                return await awaited.main()
            finally:
                ON_LOOP.discard(self)
                for timer in timers:
                    timer.cancel()

    def interrupt(self, error: BaseException, frame: FrameType | None) -> bool:
        """Raises it where the coroutine waits; False where it computes, and who has interrupted that must raise it."""
        return self.awaited.interrupt(error, frame)

    def _cut(self, awaited: Awaited) -> None:
        # Whatever it makes of that: it has failed. What does not end now is killed with this process.
        self.cut = True
        awaited.interrupt(asyncio.CancelledError("the time limit is over"), None)

    async def _values_here(self) -> Any:
        if self.call.mapped:
            return [await self._value(args) for args in self.call.args]
        return await self._value(self.call.args)

    async def _value(self, args: Sequence[Any]) -> Any:
        value = self.function(*args, **self.call.kwargs)
        return await value if inspect.isawaitable(value) else value

    def settled(self, ended: Ended) -> Ended:
        """A job that was cut off by its hard limit has failed, unless it is committed."""
        ended = super().settled(ended)
        if not self.cut or (self.block is not None and self.block.committed):
            return ended
        limit = (self.job.time_limit_us or 0) / 1e6
        error = TimeLimitExceeded(f"the job ran longer than its time limit of {limit:g} s and was cancelled")
        error.__cause__ = ended.error
        return Ended(FAILURE, error=error)

    def transaction(self, connection: Any, budget: float) -> Block:
        """The block of ``self.transaction()``, on a connection that lets the loop go on."""
        if not hasattr(connection, "run_sync"):
            raise self._no_block()
        return super().transaction(connection, budget)

    def _no_block(self) -> TransactionError:
        return TransactionError(
            f"{self.task.name} runs on a loop that others run on, and waiting for the write lock would stop all of them: "
            f"give transaction() an async session or connection of SQLAlchemy, make the task a plain function, or use "
            f"another pool than asyncio"
        )


class OneLoop:
    """The loop of a child, and the jobs on it."""

    def __init__(self, app: PyQueue, pipe: ChildPipe, name: str, width: int) -> None:
        self._app: Final = app
        self._pipe: Final = pipe
        self._name: Final = name
        # Threads are made when they are needed: as many jobs run at once as there is room for, whatever they are.
        self._threads: Final = ThreadPoolExecutor(width, "pyqueue")
        self._running: Final[set[asyncio.Task[None]]] = set()
        self._on_loop: Final[dict[str, bool]] = {}
        self._looking = False

    def run(self) -> None:
        """Runs jobs until there are no more."""
        if self._app.middleware:
            log.warning("the app has middleware, so each job has a thread for itself, coroutines too")
        asyncio.run(self._serve())
        self._threads.shutdown()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._loop.add_reader(self._pipe.fileno(), self._look)
        await self._over
        self._loop.remove_reader(self._pipe.fileno())
        while self._running:
            await asyncio.wait(self._running)

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self._take()

    def _take(self) -> None:
        """Takes one job, and the next once this one waits: one that computes keeps no others from other workers."""
        try:
            job = self._pipe.try_recv()
        except EOFError:
            self._over.set_result(None)
            return
        except BaseException as error:  # noqa: BLE001  a loop tells of it and goes on
            _end(error)
        if job is None:
            self._looking = False
            return
        task = self._loop.create_task(self._run(job))
        self._running.add(task)
        task.add_done_callback(self._ended)
        self._loop.call_soon(self._take)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            _end(error)

    async def _run(self, job: Job) -> None:
        if self._app.middleware or not self._is_coroutine(job.task):
            outcome = await self._loop.run_in_executor(self._threads, self._in_thread, job)
        else:
            outcome = await self._run_here(job)
        self._pipe.send(job, outcome)

    async def _run_here(self, job: Job) -> Outcome:
        app = self._app
        try:
            call = call_of(app, job)
            run = RunHere(app, job, app.tasks[job.task], call, self._name)
        except (DecodeError, NotRegistered):
            # Said there in the same words.
            return run_job(app, job, self._name)
        if call.extras.check_back is not None:
            return await self._loop.run_in_executor(self._threads, self._in_thread, job)
        if signals.task_received.connected:
            signals.task_received.send(run.task, request=run.context)
        return outcome_of(run, await attempt_here(run, run.called_here))

    def _in_thread(self, job: Job) -> Outcome:
        with noted(job):
            return run_job(self._app, job, self._name)

    def _is_coroutine(self, name: str) -> bool:
        known = self._on_loop.get(name)
        if known is None:
            task = self._app.tasks.get(name)
            known = self._on_loop[name] = task is not None and inspect.iscoroutinefunction(task.run)
        return known


def _end(error: BaseException) -> None:
    """Without its loop a child can't go on, and by an exception Python would wait for the threads first."""
    traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(1)
