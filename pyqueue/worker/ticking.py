"""Who fires schedules: a thread of each worker, and of ``pyqueue beat``. All of them may; the file sees to it that each
time is fired once."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pyqueue import signals
from pyqueue._core import Schedules
from pyqueue.catching_up import Step, steps
from pyqueue.exceptions import DatabaseBusy, DatabaseIOError, DiskFull, InvalidSchedule, QueueError
from pyqueue.naming import split_file
from pyqueue.periodic import Periodic
from pyqueue.publishing import after
from pyqueue.scheduling import begin, job_of
from pyqueue.signature import Signature
from pyqueue.worker.log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyqueue._core import Schedule
    from pyqueue.app import PyQueue

LONGEST_US: Final = 10_000_000
"""So long a step of the wall clock may go unnoticed."""
HELD_US: Final = 1_000_000
"""How often it is looked whether the job that a held time waits for has ended. Only while there is one."""
AGAIN_US: Final = 1_000_000
"""After the file could not be read or written."""
AT_ONCE: Final = 1_000
MANY: Final = 32
THREADS: Final = 16
KEPT: Final = 10_000
"""Schedules that need not be read again."""


class Tick:
    """Fires what is due, by a clock that is asked."""

    def __init__(self, app: PyQueue, now_us: Callable[[], int]) -> None:
        self._app = app
        self.store: Final = app.store
        self._rows = Schedules(app.store)
        self._now_us = now_us
        self._read: dict[str, tuple[bytes, Periodic | None]] = {}

    def declare(self, source: str, version: int) -> None:
        """Takes over what the app's code says. Raises InvalidSchedule for what can't be had."""
        entries = self._app.periodic_entries()
        if not entries and not any(row.source == source for row in self._rows.all()):
            return
        for periodic in entries:
            if self._app.tasks.get_task(periodic.task) is None:
                log.warning("schedule %s: %s", periodic.name, self._app.tasks.missing(periodic.task))
        answer, names = self._declare(source, version, entries)
        while answer == "stale":
            answer, names = self._declare(source, version, entries)
        if answer == "older":
            log.warning(
                "the schedules of this code are not used: %s has schedule_version %s, and this is %s",
                self._app.path,
                names[0],
                version,
            )
        elif names:
            log.warning(
                "schedules of another program, or made at run time, are from here on those of %s: %s",
                source,
                ", ".join(names),
            )

    def _declare(self, source: str, version: int, entries: list[Periodic]) -> tuple[str, list[str]]:
        given = []
        for periodic in entries:
            row = self._rows.get(periodic.name)
            seen = None if row is None else row.last_us
            begun, following = begin(periodic, seen, self._now_us())
            given.append((periodic.name, periodic.mark(), begun.encoded(), following, seen))
        return self._rows.declare(source, version, given)

    def fire(self) -> int | None:
        """Fires what is due; for how many microseconds there is nothing to do then. None: until something is changed."""
        many = AT_ONCE
        while due := self._rows.due(self._now_us(), many):
            done = self._fire_all(due)
            if all(answer in (None, "held") for answer in done):
                # They stand until a job has ended, or for ever.
                if len(due) < many:
                    return self._until_next(many)
                # Behind them there may be others that are due.
                many *= 2
        following = self._rows.next_due()
        return None if following is None else min(LONGEST_US, max(0, following - self._now_us()))

    def _until_next(self, many: int) -> int:
        """How long until something is due beside what stands, or until that is looked at again."""
        now = self._now_us()
        soon = self._rows.due(now + HELD_US, many)
        return min(
            (row.due_us - now for row in soon if row.due_us is not None and row.due_us > now), default=HELD_US
        )

    def _fire_all(self, due: list[Schedule]) -> list[str | None]:
        if len(due) < MANY:
            return [self.fire_one(row) for row in due]
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  few have so many at once

        # Those who write at the same time share a commit.
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self.fire_one, due))

    def fire_one(self, row: Schedule) -> str | None:
        """Fires what is due of a schedule as it was read; what became of the last of it."""
        periodic = self._periodic(row)
        if periodic is None:
            return None
        plan = steps(periodic, row.next_us or 0, self._now_us())
        answer = None
        for step in plan:
            answer = self._step(periodic, step)
            if answer in ("held", "lost"):
                break
        return answer

    def _periodic(self, row: Schedule) -> Periodic | None:
        """What a row says. Read once: fields and zone cost a millisecond."""
        definition, known = self._read.get(row.name, (b"", None))
        if definition != row.definition:
            try:
                known = Periodic.decoded(row.name, row.definition)
            except InvalidSchedule as error:
                known = None
                log.error("%s", error)
            if len(self._read) > KEPT:
                self._read.clear()
            self._read[row.name] = (row.definition, known)
        return known

    def _step(self, periodic: Periodic, step: Step) -> str:
        place = (periodic.name, step.expected_us, step.time_us, step.next)
        overlap = periodic.rules.overlap
        try:
            job = job_of(self._app, periodic, step.time_us) if step.fires else None
            answer, id = self._rows.fire(*place, job, skipped=step.skipped, overlap=overlap)
        except (DiskFull, DatabaseBusy, DatabaseIOError):
            raise
        except QueueError as error:
            # Whatever is wrong with this job must not keep the times that follow from coming.
            log.error("schedule %s made no job: %s", periodic.name, error)
            answer, id = self._rows.fire(*place, None, skipped=step.skipped)
        if id is not None:
            log.info("schedule %s made job %s", periodic.name, id)
            if signals.after_task_publish:
                after(Signature(periodic.task, periodic.args, periodic.kwargs), id)
        return answer


class Ticker:
    """A thread that does it at the right time."""

    def __init__(self, app: PyQueue, target: str) -> None:
        self._app = app
        self._source = source_of(app, target)
        self._tick = Tick(app, app.store.now_us)
        self._rows = Schedules(app.store)
        self._over = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="pyqueue-schedules", daemon=True)

    def declare(self) -> None:
        """Takes over what the app's code says. Raises InvalidSchedule for what can't be had."""
        self._tick.declare(self._source, self._app.config.schedule_version)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it. Does nothing in a process that was forked off."""
        if self._pid != os.getpid():
            return
        self._over.set()
        while self._thread.is_alive():
            # It may be just about to wait.
            with suppress(QueueError):
                self._rows.ring()
            self._thread.join(0.05)

    def _run(self) -> None:
        trouble = None
        while not self._over.is_set():
            try:
                rung = self._rows.rung()
                if self._over.is_set():
                    return
                self._rows.wait(rung, self._tick.fire())
                trouble = None
            except QueueError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.error("schedules are not fired: %s", error)
                self._over.wait(AGAIN_US / 1e6)
            except Exception:  # noqa: BLE001
                # A thread that has ended would be noticed by nobody.
                log.exception("schedules are not fired, by an error in pyqueue itself")
                self._over.wait(60)


def source_of(app: PyQueue, target: str) -> str:
    """The name of the program whose code has the schedules: the same on every machine and for every release."""
    where, _, attribute = target.partition(":")
    return app.main or f"{split_file(where)[1] if where.endswith('.py') else where}:{attribute}"
