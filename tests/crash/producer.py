"""A client that enqueues in every way there is, until its share is done or it is killed."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from events import Recorder

from pyqueue import AsyncResult, PyQueue
from pyqueue.exceptions import QueueError, TimeoutError, UnknownJob, WorkerLostError

if TYPE_CHECKING:
    from pyqueue.options import CallOptionsDict

BATCH = 200
KEYS = 4
DEADLY = 2
"""``max_losses`` of the poison: it travels with the call, since a client need not know the task."""
AHEAD_PAUSE = 0.002
TABLES = (
    "CREATE TABLE IF NOT EXISTS ordered(tag TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS booked(id INTEGER PRIMARY KEY, job TEXT NOT NULL, token INTEGER NOT NULL)",
)
"""Of the application, in the queue's own file. Nothing in them would stop a second row of a job."""


class Share(NamedTuple):
    """What one client does. ``words`` is memory that all processes share: how many jobs a client may have made by
    now, whether it is time to stop, then what each client has made."""

    words: memoryview
    slot: int
    turn: int
    quota: int
    seed: int
    broken: str | None

    def more(self) -> bool:
        return not self.words[1] and self.words[2 + self.slot] < self.quota

    def ahead(self) -> bool:
        """Whether it has to wait for the workers."""
        return self.words[2 + self.slot] >= self.words[0]


class Producer:
    def __init__(self, folder: Path, share: Share) -> None:
        self.share = share
        self.app = PyQueue(folder / "jobs.db", embed=True)
        self.app.store.queues()
        self.host = sqlite3.connect(folder / "jobs.db", timeout=30, isolation_level=None)
        for table in TABLES:
            self.host.execute(table)
        self.record = Recorder(folder / "events", "producer")
        self.chance = random.Random(f"{share.seed} {share.slot} {share.turn}")
        self.calls = 0
        self.parent = os.getppid()

    def run(self) -> None:
        kinds = (
            self.many,
            self.one,
            self.keyed,
            self.later,
            self.cancelled,
            self.waited,
            self.odd,
            self.ordered,
        )
        weights = (10, 5, 4, 2, 1, 1, 2, 3)
        while self.share.more() and os.getppid() == self.parent:
            if self.share.ahead():
                time.sleep(AHEAD_PAUSE)
                continue
            [kind] = self.chance.choices(kinds, weights)
            self.share.words[2 + self.share.slot] += kind()

    def call(
        self, task: str, jobs: int = 1, key: str | None = None, delay: float | None = None
    ) -> list[AsyncResult[object]]:
        """One enqueue between its two events. Empty if it was refused."""
        name = self.named()
        options: CallOptionsDict = {"dedup_key": key, "countdown": delay}
        if task == "load.die":
            options["max_losses"] = DEADLY
        signatures = [self.app.signature(task, [f"{name}.{n}"], **options) for n in range(jobs)]
        self.record("enqueue", "invoke", name, jobs, key or "-", round((delay or 0) * 1e6))
        if self.share.broken == "ack-first" and key is None and delay is None:
            # The control arm: promised before it is true.
            self.record("enqueue", "ok", name, *["?"] * jobs)
            return self.app.enqueue_many(signatures)
        try:
            results = self.app.enqueue_many(signatures)
        except QueueError as error:
            self.record("enqueue", "fail", name, type(error).__name__)
            return []
        self.record("enqueue", "ok", name, *[each.id if each.created else f"={each.id}" for each in results])
        return results

    def named(self) -> str:
        self.calls += 1
        return f"{self.share.slot}.{self.share.turn}.{self.calls}"

    def ordered(self) -> int:
        """Jobs in a transaction of the host's, which one time in four is rolled back."""
        name, jobs = self.named(), self.chance.randint(1, BATCH // 4)
        apart, undone = self.share.broken == "order-apart", self.chance.random() < 1 / 4
        self.record("order", "invoke", name, jobs)
        self.record("enqueue", "invoke", name, jobs, "-", 0)
        self.host.execute("BEGIN IMMEDIATE")
        with self.app.using(self.host):
            results = [self.app.send_task("load.work", [f"{name}.{n}"]) for n in range(jobs)]
        if apart:
            # The control arm: two commits, and a moment in which to be killed.
            self.host.execute("COMMIT")
            time.sleep(self.chance.random() / 100)
            self.host.execute("BEGIN IMMEDIATE")
        self.host.executemany("INSERT INTO ordered VALUES (?)", [(f"{name}.{n}",) for n in range(jobs)])
        self.host.execute("ROLLBACK" if undone else "COMMIT")
        if undone:
            self.record("order", "fail", name)
            self.record("enqueue", "fail", name, "RolledBack")
            return 0
        self.record("order", "ok", name)
        self.record("enqueue", "ok", name, *[each.id for each in results])
        return jobs

    def many(self) -> int:
        return len(self.call("load.work", jobs=self.chance.randint(2, BATCH)))

    def one(self) -> int:
        return len(self.call("load.work"))

    def keyed(self) -> int:
        task = self.chance.choice(("load.work", "load.nap"))
        return len(self.call(task, key=f"{task}-{self.chance.randrange(KEYS)}"))

    def later(self) -> int:
        return len(self.call("load.work", delay=self.chance.random() / 2))

    def odd(self) -> int:
        tasks = ("load.nap", "load.tell", "load.fail_once", "load.book", "load.die")
        [task] = self.chance.choices(tasks, (10, 10, 10, 20, 1))
        return len(self.call(task, jobs=1 if task == "load.die" else self.chance.randint(1, 10)))

    def cancelled(self) -> int:
        results = self.call("load.work", delay=0.05 + self.chance.random() / 5)
        for result in results:
            self.record("cancel", "invoke", result.id)
            try:
                done = self.app.store.cancel(result.id)
            except QueueError as error:
                self.record("cancel", "info", result.id, type(error).__name__)
            else:
                self.record("cancel", "ok" if done else "fail", result.id)
        return len(results)

    def waited(self) -> int:
        results = self.call("load.work")
        for result in results:
            try:
                result.get(timeout=0.2)
                self.record("seen", "ok", result.id, "success")
            except TimeoutError:
                self.record("seen", "fail", result.id)
            except WorkerLostError:
                self.record("seen", "ok", result.id, "dead")
            except UnknownJob:
                self.record("seen", "ok", result.id, "unknown")
        return len(results)
