"""``-P asyncio``: the coroutines of many jobs on one loop, each with its own request, limits and end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from gates import gated_app, open_gate, send
from processes import children, until, worker

from pyqueue import PyQueue
from pyqueue.exceptions import SoftTimeLimitExceeded, TaskFailed, TimeLimitExceeded, TransactionError

APP = """
import asyncio, os, threading, time
from pathlib import Path
from pyqueue import PyQueue, current_task

app = PyQueue("jobs.db", durability="normal")
HERE = {}

def task(function=None, **options):
    if function is None: return lambda function: task(function, **options)
    return app.task(name=function.__name__, **options)(function)

@task
async def nap(seconds):
    await asyncio.sleep(seconds)
    return [os.getpid(), id(asyncio.get_running_loop())]

@task(bind=True)
async def meet(self, party, n):
    async def below():
        await asyncio.sleep(0)
        return current_task.request.id
    gate = HERE.setdefault(party, asyncio.Barrier(n))
    before = [self.request.id, current_task.request.id]
    await gate.wait()
    return before + [self.request.id, *await asyncio.gather(below(), below())]

@task
def plain(n):
    time.sleep(0.2)
    return [n, threading.current_thread() is threading.main_thread()]

@task
async def hold(name):
    Path(name).touch()
    await asyncio.to_thread(lambda: open("gate").close())

@task
async def cleans_up(name):
    try:
        await asyncio.sleep(60)
    except BaseException as error:
        Path(name).write_text(type(error).__name__)
        raise

@task
async def swallows(name):
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException as error:
            Path(name).write_text(type(error).__name__)

@task
async def computes(name):
    Path(name).touch()
    end = time.monotonic() + 60
    while time.monotonic() < end: pass

@task(bind=True, max_retries=2)
async def again(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries

@task(autoretry_for=(ValueError,), max_retries=1, default_retry_delay=0, bind=True)
async def wrong(self):
    raise ValueError(self.request.retries)

@task
async def leaves(): raise SystemExit(3)

@task(bind=True)
async def block(self):
    async with self.transaction() as db:
        pass

@task
async def well(n):
    return n
"""

POOL = ("-P", "asyncio", "-c")


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    return gated_app(tmp_path, APP)


def seconds_for_naps(app: PyQueue, folder: Path, count: int, *flags: str) -> tuple[float, list[Any]]:
    with worker(folder, *flags):
        begun = time.monotonic()
        got = [result.get(timeout=60) for result in send(app, "nap", [[1]] * count)]
        return time.monotonic() - begun, got


def test_a_thousand_jobs_of_a_second_are_one_childs_work_of_less_than_three(
    app: PyQueue, tmp_path: Path
) -> None:
    took, got = seconds_for_naps(app, tmp_path, 1_000, *POOL, "1000")
    assert len({tuple(where) for where in got}) == 1, "one process, one loop"
    assert took < 3


def test_control_a_tenth_of_the_room_takes_ten_times_as_long(app: PyQueue, tmp_path: Path) -> None:
    took, _ = seconds_for_naps(app, tmp_path, 400, *POOL, "100")
    assert took >= 4


def test_each_coroutine_has_its_own_request_also_below_it(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "50"):
        results = send(app, "meet", [["all", 50]] * 50)
        for result in results:
            assert set(result.get(timeout=20)) == {result.id}


def test_plain_functions_have_threads_and_leave_the_loop_free(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "40"):
        both = [*send(app, "plain", [[n] for n in range(20)]), *send(app, "nap", [[0.01]] * 20)]
        got = [result.get(timeout=20) for result in both]
    assert got[:20] == [[n, False] for n in range(20)]


def test_the_soft_limit_raises_where_it_waits(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "4"):
        [soft] = send(app, "cleans_up", [["soft"]], soft_time_limit=0.2)
        with pytest.raises(SoftTimeLimitExceeded, match=r"soft time limit of 0\.2 s"):
            soft.get(timeout=20)
    assert (tmp_path / "soft").read_text() == "SoftTimeLimitExceeded"


def test_the_hard_limit_cancels_its_job_alone(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "4") as process:
        before = children(process.pid)
        [beside] = send(app, "nap", [[3]], max_losses=1)
        [hard] = send(app, "cleans_up", [["hard"]], time_limit=0.2)
        with pytest.raises(TimeLimitExceeded, match=r"time limit of 0\.2 s and was cancelled"):
            hard.get(timeout=20)
        assert beside.get(timeout=20)
        assert [each.outcome for each in beside.attempts()] == ["success"]
        assert children(process.pid) == before
    assert (tmp_path / "hard").read_text() == "CancelledError"


@pytest.mark.parametrize("name", ["swallows", "computes"])
def test_what_can_not_be_cancelled_is_killed_and_the_others_run_again(
    app: PyQueue, tmp_path: Path, name: str
) -> None:
    with worker(tmp_path, *POOL, "4") as process:
        before = children(process.pid)
        [beside] = send(app, "hold", [["held"]], max_losses=1)
        until((tmp_path / "held").exists)
        [stuck] = send(app, name, [["mark"]], time_limit=0.2)
        with pytest.raises(TimeLimitExceeded, match="was killed"):
            stuck.get(timeout=20)
        assert children(process.pid) != before
        with open_gate(tmp_path):
            assert beside.get(timeout=20) is None
        assert [each.outcome for each in beside.attempts()] == ["lost", "success"]


def test_a_loop_that_computes_keeps_no_jobs_from_other_workers(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "10"):
        [busy] = send(app, "computes", [["busy"]])
        until((tmp_path / "busy").exists)
        behind = send(app, "well", [[n] for n in range(5)])
        with worker(tmp_path, *POOL, "10"):
            assert [result.get(timeout=20) for result in behind] == list(range(5))
        assert busy.state == "STARTED"


def test_errors_retries_and_an_exit_are_what_they_are_elsewhere(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "4") as process:
        before = children(process.pid)
        [again], [wrong], [leaves] = (
            send(app, "again", [[]]),
            send(app, "wrong", [[]]),
            send(app, "leaves", [[]]),
        )
        assert again.get(timeout=20) == 2
        with pytest.raises(ValueError, match="1"):
            wrong.get(timeout=20)
        with pytest.raises(TaskFailed, match="SystemExit"):
            leaves.get(timeout=20)
        assert children(process.pid) == before


def test_a_block_on_the_workers_connection_is_refused_in_words(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "4"):
        [block] = send(app, "block", [[]])
        with pytest.raises(TransactionError, match="waiting for the write lock would stop all of them"):
            block.get(timeout=20)


def test_a_warm_stop_lets_all_that_run_end(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *POOL, "20") as process:
        held = send(app, "hold", [[f"held-{n}"] for n in range(10)])
        until(lambda: all((tmp_path / f"held-{n}").exists() for n in range(10)))
        os.kill(process.pid, signal.SIGTERM)
        process.wait_said("no new jobs")
        with open_gate(tmp_path):
            assert process.wait(20) == 0
    assert [app.store.view(result.id).state for result in held] == ["success"] * 10
