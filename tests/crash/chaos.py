"""One round of chaos: producers and workers at work, a killer among them, then the verdict on what happened."""

from __future__ import annotations

import math
import mmap
import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from audit import ended, judge, left
from checker import Verdict
from events import Recorder
from processes import Worker, children
from producer import Producer, Share

LOAD = Path(__file__).parent / "load.py"
PRODUCERS = 4
WORKERS = 2
CHILDREN = 2

EVERY = (0.005, 0.05)
"""Seconds between two kills."""
BLIND = 0.1
"""This share of the kills hits anybody, also who has just been started; the others hit who is at work."""
MIX = {"producer": 3, "child": 5, "worker": 3}
"""A child costs 0.1 s of a core to replace, a worker with its children 0.3 s, a producer nothing: it is forked."""
SLACK = 0.05
"""Producers and the killer wait for each other, so that the kills are spread over all the jobs."""
BACKLOG = 20_000
LOOK_EVERY = 0.05
DRAIN_WITHIN = 60.0


class Plan(NamedTuple):
    """What one round has to do."""

    jobs: int
    kills: int
    durability: str
    seed: int
    broken: str | None = None
    """A control arm, one of ``rounds.BREAKS``."""
    until: float = math.inf
    """By then (monotonic) it makes no more jobs and kills nobody."""


class Outcome(NamedTuple):
    verdict: Verdict
    seconds: float
    checked_in: float
    folder: Path


class Round:
    """The processes of one round. This process opens no queue, so that its forks inherit none."""

    def __init__(self, folder: Path, plan: Plan, say: Callable[[str], None]) -> None:
        self.folder, self.plan, self.say = folder, plan, say
        self.events = folder / "events"
        self.events.mkdir(parents=True)
        self.env = {
            "CRASH_EVENTS": str(self.events),
            "CRASH_BREAK": plan.broken or "",
            "PYQUEUE_DURABILITY": plan.durability,
            "PYQUEUE_HISTORY_COUNT": "100000000",
        }
        self.record = Recorder(self.events, "killer")
        self.chance = random.Random(plan.seed)
        # As Share says.
        self.words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self.share_of_jobs = -(-plan.jobs // PRODUCERS)
        self.producers: dict[int, int] = {}
        self.turns = [0] * PRODUCERS
        self.workers: list[Worker] = []
        self.stack = ExitStack()
        self.kills = 0
        self.ended = 0
        self.looked = self.told = 0.0
        self.faults: list[str] = []

    def run(self) -> list[str]:
        """Until every job has been made and has ended; what went wrong on the way."""
        with self.stack:
            try:
                self.look()
                self.workers = [self.started_worker() for _ in range(WORKERS)]
                for slot in range(PRODUCERS):
                    self.fork(slot)
                while self.busy():
                    self.keep_going()
                    time.sleep(self.chance.uniform(*EVERY))
                    if self.may_kill():
                        self.kill()
                self.drain()
            finally:
                for pid in self.producers:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                self.record.close()
        return self.faults

    # The living.

    def started_worker(self) -> Worker:
        arguments = ("-A", str(LOAD), "-c", str(CHILDREN), "-l", "warning")
        return self.stack.enter_context(Worker(self.folder, *arguments, env=self.env))

    def fork(self, slot: int) -> None:
        share = Share(
            self.words,
            slot,
            self.turns[slot],
            self.share_of_jobs,
            self.plan.seed,
            self.plan.broken,
        )
        self.turns[slot] += 1
        pid = os.fork()
        if pid:
            self.producers[pid] = slot
            return
        code = 1
        try:
            os.environ.update(self.env)
            Producer(self.folder, share).run()
            code = 0
        except BaseException:
            (self.folder / f"producer-{slot}-{share.turn}.log").write_text(traceback.format_exc())
        finally:
            os._exit(code)

    def keep_going(self) -> None:
        """Replaces who is gone, and looks how far things are."""
        for pid in list(self.producers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self.buried(pid)
        for place, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                # It should not; what it said is in its log.
                self.record("gave-up", "ok", worker.pid, worker.process.returncode)
                self.workers[place] = self.started_worker()
        if time.monotonic() - self.looked >= LOOK_EVERY:
            self.look()

    def buried(self, pid: int, killed: bool = False) -> None:
        slot = self.producers.pop(pid)
        log = self.folder / f"producer-{slot}-{self.turns[slot] - 1}.log"
        if log.exists():
            self.faults.append(f"a producer failed: {log.read_text()}")
        unfinished = not self.words[1] and self.words[2 + slot] < self.share_of_jobs
        if killed or (unfinished and not log.exists()):
            self.fork(slot)

    def look(self) -> None:
        self.looked = time.monotonic()
        self.ended = ended(self.folder / "jobs.db") or self.ended
        plan = self.plan
        pace = plan.jobs
        if self.kills < plan.kills:
            # A few are kept back, so that the last kills find producers too.
            pace = min(round(pace * (self.kills / plan.kills + SLACK)), pace - PRODUCERS)
        self.words[0] = max(1, min(pace, self.ended + BACKLOG) // PRODUCERS)
        if self.looked - self.told >= 3:
            self.told = self.looked
            self.say(f"{self.made()} jobs made, {self.ended} ended, {self.kills} kills")

    def made(self) -> int:
        return sum(self.words[2 + slot] for slot in range(PRODUCERS))

    def busy(self) -> bool:
        if self.faults or time.monotonic() > self.plan.until:
            self.words[1] = 1
            return False
        return bool(self.producers)

    # The killer.

    def may_kill(self) -> bool:
        plan = self.plan
        due = plan.kills * (self.made() / plan.jobs + SLACK)
        return self.kills < min(plan.kills, due)

    def kill(self) -> None:
        if self.chance.random() < BLIND:
            victims = self.everybody()
        else:
            victims = {role: found for role, found in self.at_work().items() if found}
        if not victims:
            return
        [role] = self.chance.choices(list(victims), [MIX[role] for role in victims])
        pid = self.chance.choice(victims[role])
        self.record("kill", "invoke", pid, role)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            # It ended a moment ago, by itself.
            self.record("kill", "fail", pid)
            return
        if role == "producer":
            os.waitpid(pid, 0)
            self.buried(pid, killed=True)
        elif role == "worker":
            place = next(n for n, worker in enumerate(self.workers) if worker.pid == pid)
            self.workers[place].process.wait()
            self.workers[place] = self.started_worker()
        self.record("kill", "ok", pid, role)
        self.kills += 1

    def everybody(self) -> dict[str, list[int]]:
        workers = [worker.pid for worker in self.workers]
        young = [pid for worker in workers for pid in children(worker)]
        found = {"producer": list(self.producers), "child": young, "worker": workers}
        return {role: pids for role, pids in found.items() if pids}

    def at_work(self) -> dict[str, list[int]]:
        """Those that have written an event."""
        seen = {int(path.name.split("-")[1]) for path in self.events.iterdir()}
        young = {worker.pid: [pid for pid in children(worker.pid) if pid in seen] for worker in self.workers}
        return {
            "producer": [pid for pid in self.producers if pid in seen],
            "child": [pid for pids in young.values() for pid in pids],
            "worker": [pid for pid, pids in young.items() if len(pids) == CHILDREN],
        }

    def drain(self) -> None:
        """Lets what is left come to its end, then stops the workers warmly."""
        end = time.monotonic() + DRAIN_WITHIN
        while self.producers or left(self.folder / "jobs.db") != 0:
            if self.faults or time.monotonic() > end:
                break
            self.keep_going()
            time.sleep(LOOK_EVERY)
        for worker in self.workers:
            # Before that it has no handler.
            worker.wait_said(" ready: ", DRAIN_WITHIN)
            worker.process.send_signal(signal.SIGTERM)
        for worker in self.workers:
            code = worker.wait(30)
            if code != 0:
                self.faults.append(
                    f"a worker stopped with {code} and not warmly: {worker.log.read_text()[-2000:]}"
                )


def run_round(folder: Path, plan: Plan, say: Callable[[str], None]) -> Outcome:
    """Runs and judges one round in a new folder, which is deleted if nothing was wrong."""
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    faults = Round(folder, plan, say).run()
    ran = time.monotonic()
    verdict = judge(folder)
    verdict.faults.extend(faults)
    end = time.monotonic()
    if not verdict.faults:
        shutil.rmtree(folder)
    return Outcome(verdict, end - start, end - ran, folder)
