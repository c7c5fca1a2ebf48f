"""``-P threads``: one child runs several jobs at once, and what holds for prefork holds there."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gates import gated_app, open_gate, send
from processes import children, until, worker

from pyqueue import PyQueue
from pyqueue.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError

APP = """
import asyncio, os, threading, time
from pathlib import Path
from pyqueue import PyQueue, current_task

app = PyQueue("jobs.db", durability="normal")
TOGETHER = threading.Barrier(4)

def task(function=None, **options):
    if function is None: return lambda function: task(function, **options)
    return app.task(name=function.__name__, **options)(function)

@task
def meet():
    TOGETHER.wait()
    return [os.getpid(), threading.get_ident(), threading.current_thread() is threading.main_thread()]

@task(bind=True)
def own(self, n):
    before = [self.request.id, self.request.args, current_task.request.id]
    TOGETHER.wait()
    after = [self.request.id, self.request.args, current_task.request.id]
    return before == after and before

@task(bind=True)
async def own_async(self, n):
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(TOGETHER.wait)
    return [self.request.id, current_task.request.id, id(loop)]

@task
def hold(name):
    Path(name).touch()
    open("gate").close()

@task
def leave(code):
    os._exit(code)

@task
def write(n):
    with open("ran", "a") as file: file.write(f"{n}\\n")

@task
def spin():
    end = time.monotonic() + 20
    while time.monotonic() < end: pass

@task
async def sleep_async():
    await asyncio.sleep(20)

@task
def well(n):
    return n
"""

THREADS = ("-P", "threads", "-c")


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    return gated_app(tmp_path, APP)


def hold(app: PyQueue, folder: Path, count: int, **options: Any) -> list[Any]:
    """Jobs that wait for the gate, all of them running."""
    marks = [folder / f"running-{n}" for n in range(count)]
    results = send(app, "hold", [[str(mark)] for mark in marks], **options)
    until(lambda: all(mark.exists() for mark in marks), what="jobs that run at once")
    return results


def test_as_many_jobs_run_at_once_as_there_are_threads(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *THREADS, "4") as process:
        met = [result.get(timeout=20) for result in send(app, "meet", [[]] * 4)]
        [child] = children(process.pid)
    assert {pid for pid, _, _ in met} == {child}
    assert len({thread for _, thread, _ in met}) == 4
    assert not any(main for _, _, main in met)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_control_with_fewer_threads_or_with_processes_they_wait_in_vain(
    app: PyQueue, tmp_path: Path, pool: str
) -> None:
    with worker(tmp_path, "-P", pool, "-c", "3"):
        for result in send(app, "meet", [[]] * 4, time_limit=0.3):
            with pytest.raises(TimeLimitExceeded):
                result.get(timeout=20)


def test_each_thread_has_its_own_request(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *THREADS, "4"):
        results = send(app, "own", [[n] for n in range(4)])
        for n, result in enumerate(results):
            assert result.get(timeout=20) == [result.id, [n], result.id]


def test_coroutines_run_each_in_a_loop_of_its_own(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *THREADS, "4"):
        results = send(app, "own_async", [[n] for n in range(4)])
        got = [result.get(timeout=20) for result in results]
    assert [one[:2] for one in got] == [[result.id, result.id] for result in results]
    assert len({loop for _, _, loop in got}) == 4


def test_a_hard_limit_fails_its_job_and_the_others_run_again(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *THREADS, "4") as process:
        [child] = children(process.pid)
        others = hold(app, tmp_path, 3, max_losses=1)
        [late] = send(app, "hold", [[str(tmp_path / "late")]], time_limit=0.2)
        with pytest.raises(TimeLimitExceeded):
            late.get(timeout=20)
        # They are held again in the next child, and end there. One loss with a charge would be the end of them.
        with open_gate(tmp_path):
            for result in others:
                assert result.get(timeout=20) is None
                assert [attempt.outcome for attempt in result.attempts()] == ["lost", "success"]
        assert children(process.pid) != [child]


@pytest.mark.parametrize("by", ["SIGKILL", "os._exit", "SIGSEGV"])
def test_a_death_is_charged_to_all_that_ran_and_to_nothing_else(
    app: PyQueue, tmp_path: Path, by: str
) -> None:
    with worker(tmp_path, *THREADS, "4") as process:
        [child] = children(process.pid)
        ran = hold(app, tmp_path, 3 if by == "os._exit" else 4, max_losses=1)
        if by == "os._exit":
            ran += send(app, "leave", [[7]], max_losses=1)
        behind = send(app, "well", [[n] for n in range(20)], max_losses=1)
        if by != "os._exit":
            os.kill(child, getattr(signal, by))
        for result in ran:
            with pytest.raises(WorkerLostError):
                result.get(timeout=20)
        assert [result.get(timeout=20) for result in behind] == list(range(20))
        assert all(len(result.attempts()) == 1 for result in behind)


@pytest.mark.parametrize("cold", [False, True])
def test_a_warm_stop_lets_all_that_run_end_and_a_cold_one_gives_them_back(
    app: PyQueue, tmp_path: Path, cold: bool
) -> None:
    with worker(tmp_path, *THREADS, "4") as process:
        held = hold(app, tmp_path, 3)
        os.kill(process.pid, signal.SIGTERM)
        process.wait_said("no new jobs")
        late = send(app, "well", [[1]])
        if cold:
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(20) == 1
        else:
            with open_gate(tmp_path):
                assert process.wait(20) == 0
    expected = "waiting" if cold else "success"
    states = [app.store.view(result.id).state for result in held + late]
    assert states == [expected] * 3 + ["waiting"]
    assert [len(result.attempts()) for result in held] == [0 if cold else 1] * 3


def test_a_thousand_jobs_run_once_each(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *THREADS, "8"):
        results = send(app, "write", [[n] for n in range(1_000)])
        for result in results:
            result.get(timeout=30)
    ran = Counter((tmp_path / "ran").read_text().split())
    assert ran == Counter(str(n) for n in range(1_000))
    assert all(len(result.attempts()) == 1 for result in results)


def test_the_soft_limit_interrupts_python_code_and_coroutines(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, *THREADS, "2"):
        for result in [
            *send(app, "spin", [[]], soft_time_limit=0.1),
            *send(app, "sleep_async", [[]], soft_time_limit=0.1),
        ]:
            with pytest.raises(SoftTimeLimitExceeded, match=r"soft time limit of 0\.1 s"):
                result.get(timeout=15)
        # The threads that were interrupted go on.
        assert [result.get(timeout=20) for result in send(app, "well", [[1], [2]], soft_time_limit=60)] == [
            1,
            2,
        ]
