"""No job waits behind a busy child while another child is free."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from processes import worker, write_app

from pyqueue import PyQueue

APP = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task
def work(seconds=0):
    if seconds: time.sleep(seconds)
    return os.getpid()
"""

# One task for all, learnt as short: so the sleeper travels in the middle of a frame, not alone.
WARM = 5_000
SHORT = 200
SLEEP = 3.0
LONGEST_WAIT = 1.0


class Run(NamedTuple):
    pid: int
    """Of the child."""
    waited: float
    """From the enqueue to the start, in seconds."""
    ended: int


def run(folder: Path, concurrency: int) -> list[str]:
    """Puts one sleeper among short jobs, in one transaction; what is wrong with how they ran."""
    write_app(folder, APP)
    app = PyQueue(folder / "jobs.db", durability="normal")
    work = app.signature("app.work")
    with worker(folder, "-c", str(concurrency)):
        for result in app.enqueue_many([work] * WARM):
            result.get(timeout=20)
        calls = [work] * (SHORT // 2) + [app.signature("app.work", [SLEEP])] + [work] * (SHORT // 2)
        begun = app.store.now_us()
        results = app.enqueue_many(calls)
        runs = []
        for result in results:
            pid = result.get(timeout=20)
            [attempt] = result.attempts()
            assert attempt.started_us is not None
            runs.append(Run(pid, (attempt.started_us - begun) / 1e6, attempt.finished_us))
    return faults(runs)


def faults(runs: list[Run]) -> list[str]:
    sleeper = runs[SHORT // 2]
    short = runs[: SHORT // 2] + runs[SHORT // 2 + 1 :]
    longest = max(run.waited for run in short)
    print(f"longest wait {longest * 1000:.1f} ms beside a job of {SLEEP:g} s")
    found = []
    late = sum(run.ended >= sleeper.ended for run in short)
    if late:
        found.append(f"{late} jobs ended after the sleeper")
    if longest > LONGEST_WAIT:
        found.append(f"a job waited {longest:.1f} s")
    behind = sum(run.pid == sleeper.pid for run in runs[SHORT // 2 + 1 :] if run.waited > sleeper.waited)
    if behind:
        found.append(f"{behind} jobs behind the sleeper ran in its child")
    return found


def test_jobs_behind_a_sleeper_are_taken_back_and_run_elsewhere(tmp_path: Path) -> None:
    assert run(tmp_path, concurrency=2) == []


def test_control_with_one_child_the_wait_behind_the_sleeper_is_reported(tmp_path: Path) -> None:
    found = run(tmp_path, concurrency=1)
    assert len(found) == 3, found
