"""Two workers, one restarted after the other under load: nothing is lost, run twice, or kept waiting for a start."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from processes import Worker, until, worker, write_app

from pyqueue import PyQueue
from pyqueue.exceptions import TimeoutError

APP = """
import time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task(name="work")
def work(n):
    with open("ran", "a") as file: file.write(f"{n}\\n")
    time.sleep(0.01)
    return n

@app.task(name="hold", bind=True)
def hold(self, name):
    Path(name).touch()
    open("gate").close()
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app beside the module that the workers load."""
    write_app(tmp_path, APP)
    os.mkfifo(tmp_path / "gate")
    return PyQueue(tmp_path / "jobs.db", durability="normal")


class Load(threading.Thread):
    """Makes a job of 10 ms every 5 ms until it is told to stop: mostly two are running."""

    def __init__(self, app: PyQueue) -> None:
        super().__init__(daemon=True)
        self.app = app
        self.results: list[Any] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.005):
            self.results.append(self.app.signature("work", [len(self.results)]).delay())

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def longest_wait(results: list[Any]) -> float:
    """Seconds between a job's making and its start."""
    shown = [(result._store.show(result.id), result.attempts()[-1]) for result in results]
    return max((ended.started_us - job.enqueued_us) / 1e6 for job, ended in shown)


def roll(load: Load, folder: Path, workers: list[Worker], number: signal.Signals) -> None:
    """Restarts each in turn, with jobs before, meanwhile and after."""
    for old in list(workers):
        some = len(load.results) + 50
        until(lambda some=some: len(load.results) > some)
        os.kill(old.pid, number)
        old.wait(30)
        new = Worker(folder, "-c", "2").__enter__()
        new.wait_ready()
        workers[workers.index(old)] = new


def attempts_of(
    app: PyQueue, tmp_path: Path, number: signal.Signals, rounds: int
) -> tuple[int, Counter[str]]:
    """Ends each of two workers by a signal, one after the other: how many jobs there were, and how attempts ended."""
    workers = [Worker(tmp_path, "-c", "2").__enter__() for _ in range(2)]
    try:
        for each in workers:
            each.wait_ready()
        with Load(app) as load:
            for _ in range(rounds):
                roll(load, tmp_path, workers, number)
        assert [result.get(timeout=30) for result in load.results] == list(range(len(load.results)))
        print(f"{len(load.results)} jobs, longest wait {longest_wait(load.results) * 1e3:.1f} ms")
        tries = Counter(attempt.outcome for result in load.results for attempt in result.attempts())
        return len(load.results), tries
    finally:
        for each in workers:
            each.__exit__()


def test_nothing_is_lost_or_run_twice(app: PyQueue, tmp_path: Path) -> None:
    jobs, tries = attempts_of(app, tmp_path, signal.SIGTERM, 2)
    assert tries == {"success": jobs}
    assert sorted((tmp_path / "ran").read_text().split(), key=int) == [str(n) for n in range(jobs)]


def test_control_by_kills_attempts_are_lost_and_jobs_are_not(app: PyQueue, tmp_path: Path) -> None:
    for _ in range(5):
        jobs, tries = attempts_of(app, tmp_path, signal.SIGKILL, 1)
        assert tries["success"] == jobs
        if tries["lost"]:
            return
    pytest.fail("ten kills under load, and no attempt was lost")


def test_no_job_waits_for_the_worker_that_stops(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1") as first:
        held = app.signature("hold", ["first"]).delay()
        until((tmp_path / "first").exists)
        with worker(tmp_path, "-c", "1"):
            os.kill(first.pid, signal.SIGTERM)
            first.wait_said("no new jobs")
            results = [app.signature("work", [n]).delay() for n in range(50)]
            assert [result.get(timeout=20) for result in results] == list(range(50))
            assert held.state == "STARTED"
            gate = os.open(tmp_path / "gate", os.O_RDWR)
            assert first.wait(20) == 0
            os.close(gate)
            assert [each.outcome for each in held.attempts()] == ["success"]


def test_control_alone_they_wait(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1") as first:
        app.signature("hold", ["first"]).delay()
        until((tmp_path / "first").exists)
        os.kill(first.pid, signal.SIGTERM)
        first.wait_said("no new jobs")
        late = app.signature("work", [1]).delay()
        with pytest.raises(TimeoutError):
            late.get(timeout=1)
