"""Asks the file for a moment of it. What it costs does not grow with the jobs that wait."""

from __future__ import annotations

import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Final

from pyqueue._core import Events, Gates, Inspecting
from pyqueue.redaction import masked_text
from pyqueue.serving import serving
from pyqueue.top.state import FailureRow, Frame, GateRow, JobRow, QueueRow, WorkerRow

if TYPE_CHECKING:
    from pyqueue._core import Gate, QueueStatus, Store

JOBS: Final = 200
FAILURES: Final = 20
WINDOW: Final = 5.0
"""Seconds over which rates are taken."""
_LOOKS: Final = 40
"""Looks at what has happened for one frame: beyond them a new start is cheaper."""
_ENDED: Final = ("succeeded", "failed", "revoked")
_UNENDED: Final = ("waiting", "delayed", "parked", "prepared", "held", "running")

Counts = dict[str, tuple[int, int]]
"""By queue: jobs that came, and those that ended, since the file was made."""


class Reading:
    """Reads one frame after the other; rates are differences between them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = Events(store)
        self._cursor: str | None = None
        self._failures: deque[tuple[int, FailureRow]] = deque(maxlen=FAILURES)
        self._samples: deque[tuple[float, Counts, int]] = deque()

    def read(self, queue: str | None = None, waiting: bool = False) -> Frame:
        """A moment. ``waiting``: with the newest jobs in line, of this queue if one is named."""
        store = self._store
        queues, now_us = store.queues(), store.now_us()
        rates, failed = self._rates(queues)
        ages = {
            each.name: None if each.oldest_us is None else max(0, now_us - each.oldest_us) / 1e6
            for each in queues
        }
        rows = tuple(
            QueueRow(
                each.name,
                each.paused,
                each.waiting,
                each.delayed,
                each.parked + each.prepared + each.held,
                each.running,
                ages[each.name],
                *rates.get(each.name, (None, None)),
            )
            for each in queues
        )
        known = list(rates.values())
        return Frame(
            path=str(store.path),
            clock=time.strftime("%H:%M:%S", time.localtime(now_us // 1_000_000)),
            queues=rows,
            workers=self._workers(),
            jobs=self._waiting(queue, now_us) if waiting else self._running(now_us),
            failures=self._newest_failures(now_us),
            gates=tuple(_gate(each) for each in Gates(store).list() if each.shut or each.rate_us is not None),
            came=sum(came for came, _ in known) if known else None,
            went=sum(went for _, went in known) if known else None,
            failed=failed,
        )

    def _rates(self, queues: list[QueueStatus]) -> tuple[dict[str, tuple[float, float]], float | None]:
        now = time.monotonic()
        counts: Counts = {}
        for each in queues:
            ended = sum(getattr(each, name) for name in _ENDED)
            counts[each.name] = (ended + sum(getattr(each, name) for name in _UNENDED), ended)
        failed = sum(each.failed for each in queues)
        samples = self._samples
        samples.append((now, counts, failed))
        while len(samples) > 2 and samples[1][0] <= now - WINDOW:
            samples.popleft()
        since, before, failed_before = samples[0]
        passed = now - since
        if passed < 0.1:
            return {}, None
        # A queue that was not there has had no jobs; one that was purged or moved counts less than before.
        rates = {
            name: tuple(
                max(0, after - was) / passed
                for after, was in zip(both, before.get(name, (0, 0)), strict=True)
            )
            for name, both in counts.items()
        }
        return rates, max(0, failed - failed_before) / passed  # type: ignore[return-value]

    def _workers(self) -> tuple[WorkerRow, ...]:
        return tuple(
            WorkerRow(each.name, each.state, each.pid, each.busy, each.slots, each.jobs, each.why)
            for each in serving(self._store)
        )

    def _running(self, now_us: int) -> tuple[JobRow, ...]:
        names = {part.id: each.name for each in serving(self._store) for part in each.parts}
        found = [
            JobRow(
                job.id,
                job.task,
                job.queue,
                "running",
                names.get(job.worker, str(job.worker)),
                None if job.started_us is None else max(0, now_us - job.started_us) / 1e6,
                None if job.time_limit_us is None else job.time_limit_us / 1e6,
            )
            for job in Inspecting(self._store).held("active", limit=JOBS)
        ]
        return tuple(sorted(found, key=lambda job: -(job.time or 0.0)))

    def _waiting(self, queue: str | None, now_us: int) -> tuple[JobRow, ...]:
        return tuple(
            JobRow(
                job.id,
                job.task,
                job.queue,
                job.state,
                None,
                max(0, now_us - job.enqueued_us) / 1e6,
                None,
            )
            for job in self._store.jobs(state="waiting", queue=queue, limit=FAILURES)
        )

    def _newest_failures(self, now_us: int) -> tuple[FailureRow, ...]:
        """Read once, and then only what has ended since: a file may hold many successes behind the last failure."""
        for _ in range(_LOOKS):
            if self._cursor is None:
                break
            found, self._cursor, more = self._events.look(self._cursor, ["task-failed"])
            for each in found:
                failure = each.failure
                error = "" if failure is None else _error(failure.error, failure.message)
                if each.id is not None:
                    self._failures.appendleft((each.at_us, FailureRow(each.id, str(each.task), error, 0.0)))
            if not more:
                break
        else:
            self._cursor = None
        if self._cursor is None:
            self._begin()
        return tuple(row._replace(ago=max(0, now_us - at) / 1e6) for at, row in self._failures)

    def _begin(self) -> None:
        self._cursor = self._events.cursor(newest=True)
        self._failures.clear()
        lists = (self._store.jobs(state=state, limit=FAILURES) for state in ("failed", "dead"))
        ended = [(job.finished_us or 0, job) for job in chain.from_iterable(lists)]
        for at, job in sorted(ended, key=lambda each: -each[0])[:FAILURES]:
            error = _error(job.error or "", job.message or "")
            self._failures.append((at, FailureRow(job.id, job.task, error, 0.0)))


def _error(error: str, message: str) -> str:
    return f"{error.removeprefix('builtins.')}: {masked_text(message)}"


def _gate(gate: Gate) -> GateRow:
    patterns = (("task", gate.task), ("queue", gate.queue), ("key", gate.key))
    what = " ".join(f"{name} {value}" for name, value in patterns if value is not None)
    rate = None if gate.shut or gate.rate_us is None else 1e6 / gate.rate_us
    by = f"by {gate.author}" if gate.author else None
    said = ": ".join(each for each in (by, gate.reason) if each)
    return GateRow(what, gate.waiting, rate, said or None)
