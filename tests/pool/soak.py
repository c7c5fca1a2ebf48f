"""Every kind of task at once, children killed, and the code replaced; in the end nothing is lost and nobody has grown.

``python -m tests.pool SECONDS`` says what was seen.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from audit import judge, left
from checker import Verdict
from events import Recorder
from processes import Worker, children
from producer import TABLES

from pyqueue import PyQueue

HERE = Path(__file__).parent
MIX = {
    "quick": 200,
    "long": 2,
    "coroutine": 20,
    "crash": 0.3,
    "leak": 6,
    "warned": 1,
    "stuck": 0.3,
    "noisy": 2,
    "parent": 1,
}
"""How many of each are made a second, about."""
TICK = 0.1
KILL_EVERY, WATCH_EVERY = 1.0, 1.0
BROKEN_FOR = 3.0
"""Seconds until code that can't be loaded is mended: a child that dies meanwhile has no successor so long."""
MOST_WAITING = 2_000
DRAIN_WITHIN = 120.0
MEMORY_SLACK, DESCRIPTOR_SLACK = 6 << 20, 8
PREFORK = ("-c", "3", "-Q", "default", "--max-tasks-per-child", "300", "--max-memory-per-child", "150M")
ASYNCIO = ("-P", "asyncio", "-c", "50", "-Q", "coroutines")


class Size(NamedTuple):
    """Of a supervisor's process."""

    memory: int
    descriptors: int
    threads: int


class Seen(NamedTuple):
    """What came of it. ``sizes``: of each worker, first and last third."""

    verdict: Verdict
    made: Counter[str]
    reloads: int
    kills: int
    sizes: list[tuple[Size, Size]]

    @property
    def grown(self) -> list[str]:
        """Which supervisor has grown, and how."""
        return [
            f"from {first} to {last}"
            for first, last in self.sizes
            if last.memory > first.memory + MEMORY_SLACK
            or last.descriptors > first.descriptors + DESCRIPTOR_SLACK
            or last.threads > first.threads
        ]


def size_of(pid: int) -> Size:
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    return Size(
        pages * os.sysconf("SC_PAGE_SIZE"),
        sum(1 for _ in (process / "fd").iterdir()),
        sum(1 for _ in (process / "task").iterdir()),
    )


class Soak:
    def __init__(self, folder: Path, seconds: float, reload_every: float) -> None:
        self.folder, self.seconds, self.reload_every = folder, seconds, reload_every
        self.events = folder / "events"
        self.events.mkdir()
        self.code = folder / "app.py"
        self.source = (HERE / "soak_tasks.py").read_text()
        self.code.write_text(self.source)
        self.env = {
            "CRASH_EVENTS": str(self.events),
            "PYTHONPATH": str(HERE.parent / "crash"),
            "PYQUEUE_HISTORY_COUNT": "100000000",
        }
        self.app = PyQueue(folder / "jobs.db", embed=True)
        self.record = Recorder(self.events, "producer")
        self.killer = Recorder(self.events, "killer")
        self.chance = random.Random(0)
        self.made: Counter[str] = Counter()
        self.owed: Counter[str] = Counter()
        self.sizes: list[list[Size]] = []
        self.kills = self.reloads = self.calls = 0

    def run(self) -> Seen:
        self.app.store.queues()
        with sqlite3.connect(self.folder / "jobs.db") as connection:
            for table in TABLES:
                connection.execute(table)
        connection.close()
        with ExitStack() as stack:
            workers = [
                stack.enter_context(Worker(self.folder, *flags, "-l", "warning", env=self.env))
                for flags in (PREFORK, ASYNCIO)
            ]
            for worker in workers:
                worker.wait_ready()
            self.sizes = [[] for _ in workers]
            self.work(workers)
            end = time.monotonic() + DRAIN_WITHIN
            while left(self.folder / "jobs.db") != 0 and time.monotonic() < end:
                time.sleep(TICK)
            for worker in workers:
                worker.process.send_signal(signal.SIGTERM)
            for worker in workers:
                code = worker.wait(40)
                assert code == 0, worker.log.read_text()[-3000:]
        third = [max(1, len(sizes) // 3) for sizes in self.sizes]
        sizes = [(usual(all[:n]), usual(all[-n:])) for all, n in zip(self.sizes, third, strict=True)]
        return Seen(judge(self.folder), self.made, self.reloads, self.kills, sizes)

    def work(self, workers: list[Worker]) -> None:
        start = time.monotonic()
        kill_at, watch_at, reload_at, mend_at = start + KILL_EVERY, start, start + self.reload_every, math.inf
        while (now := time.monotonic()) < start + self.seconds:
            self.make()
            if now >= kill_at:
                self.kill(self.chance.choices(workers, (9, 1))[0])
                kill_at = now + KILL_EVERY
            if now >= watch_at:
                for sizes, worker in zip(self.sizes, workers, strict=True):
                    sizes.append(size_of(worker.pid))
                watch_at = now + WATCH_EVERY
            if now >= reload_at:
                self.reloads += 1
                # Every third time it can't be loaded, and all goes on.
                broken = self.reloads % 3 == 0
                text = "this is no Python" if broken else f"RELOADED = {self.reloads}"
                self.code.write_text(f"{self.source}\n{text}\n")
                mend_at = now + BROKEN_FOR if broken else math.inf
                for worker in workers:
                    worker.process.send_signal(signal.SIGHUP)
                reload_at = now + self.reload_every
            if now >= mend_at:
                self.code.write_text(self.source)
                mend_at = math.inf
            time.sleep(TICK)
        self.code.write_text(self.source)

    def make(self) -> None:
        if sum(queue.waiting for queue in self.app.store.queues()) > MOST_WAITING:
            return
        for task, rate in MIX.items():
            self.owed[task] += rate * TICK
            count = int(self.owed[task])
            if count:
                self.owed[task] -= count
                self.made[task] += count
                self.call(task, count)

    def call(self, task: str, count: int) -> None:
        name = f"soak.{self.calls}"
        self.calls += 1
        options = {"queue": "coroutines"} if task == "coroutine" else {}
        if task == "crash":
            options["max_losses"] = 2
        elif task == "coroutine":
            options["max_losses"] = 1_000
        limits = {"warned": {"soft_time_limit": 0.1}, "stuck": {"time_limit": 0.3}}.get(task, {})
        signatures = [
            self.app.signature(f"app.{task}", [f"{name}.{n}"], **options, **limits) for n in range(count)
        ]
        self.record("enqueue", "invoke", name, count, "-", 0)
        self.record("enqueue", "ok", name, *[each.id for each in self.app.enqueue_many(signatures)])

    def kill(self, worker: Worker) -> None:
        found = children(worker.pid)
        if not found:
            return
        pid = self.chance.choice(found)
        self.killer("kill", "invoke", pid, "child")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            self.killer("kill", "fail", pid)
            return
        self.killer("kill", "ok", pid, "child")
        self.kills += 1


def usual(sizes: list[Size]) -> Size:
    return Size(*(round(statistics.median(column)) for column in zip(*sizes, strict=True)))


def main(seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="pyqueue-soak-") as folder:
        seen = Soak(Path(folder), seconds, min(60.0, seconds / 5)).run()
    print(
        f"{seen.made.total():,} jobs in {seconds:g} s, {seen.kills} kills, {seen.reloads} reloads: {dict(seen.made)}"
    )
    for figure, count in sorted(seen.verdict.figures.items()):
        print(f"  {figure:40} {count:>10,}")
    for first, last in seen.sizes:
        print(f"supervisor: {first} in the first third, {last} in the last")
    for fault in (*seen.verdict.faults[:20], *seen.grown):
        print(f"WRONG: {fault}")
    return 1 if seen.verdict.faults or seen.grown else 0
