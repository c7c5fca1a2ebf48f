from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import rows, said

from pyqueue import PyQueue
from pyqueue.exceptions import TaskFailed, WorkerLostError

SOURCE = """
import ctypes, os, signal, sys, threading, time
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")
NUMBER = {"name": None}

def task(function): return app.task(name=function.__name__)(function)

@task
def well(): return "well"
@task
def leaves(): os._exit(7)
@task
def crashes(): ctypes.string_at(0)
@task
def exits(): sys.exit(8)
@task
def prints():
    for _ in range(300): print("x" * 10_000)
    os.write(1, b"y" * 1_000_000)
    return "printed"
@task
def closes():
    os.closerange(0, 11)
    return "closed"
@task
def walks(): os.chdir("/"); return os.getcwd()
@task
def forks():
    pid = os.fork()
    if pid == 0: os._exit(0)
    return os.waitpid(pid, 0)[1]
@task
def copy_returns():
    pid = os.fork()
    if pid == 0: return "copy"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
@task
def copy_exits():
    pid = os.fork()
    if pid == 0: sys.exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
@task
def copy_raises():
    pid = os.fork()
    if pid == 0: raise OSError("the copy's own trouble")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
@task
def takes_signals():
    for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
    return "deaf"
@task
def leaves_a_thread():
    threading.Thread(target=time.sleep, args=(0.2,)).start()
    return "threaded"
"""

Worker = Callable[..., Any]


@pytest.fixture
def app(tmp_path: Path, worker: Worker) -> PyQueue:
    """An app with one child, so that the next job runs where the last one has been."""
    (tmp_path / "app.py").write_text(SOURCE)
    self = PyQueue(tmp_path / "jobs.db", durability="normal")
    worker("-c", "1")
    return self


def counts(app: PyQueue) -> tuple[int, int, int, int]:
    [queue] = app.store.queues()
    assert (queue.waiting, queue.delayed, queue.parked, queue.running) == (0, 0, 0, 0)
    return queue.succeeded, queue.failed, queue.retried, queue.lost


@pytest.mark.parametrize(
    ("task", "happened"),
    [("leaves", "exit code 7"), ("crashes", r"signal 11 \(SIGSEGV\)")],
)
def test_a_task_that_kills_its_process_is_dead_after_its_losses_and_takes_nobody_along(
    app: PyQueue, tmp_path: Path, task: str, happened: str
) -> None:
    bad = app.send_task(task, max_losses=2)
    good = app.enqueue_many([app.signature("well")] * 5)
    with pytest.raises(WorkerLostError) as caught:
        bad.get(timeout=20)
    said(
        caught.value,
        happened=f"died 2 times, the last time by child .*{happened}",
        do="kept as dead and not tried again",
    )
    assert [each.outcome for each in bad.attempts()] == ["lost", "lost"]
    assert [each.get(timeout=10) for each in good] == ["well"] * 5
    assert counts(app) == (5, 1, 0, 2)
    after = rows(tmp_path / "jobs.db")
    assert after["pyqueue_lease"] == after["pyqueue_side"] == []


def test_sys_exit_fails_its_job_and_the_child_goes_on(app: PyQueue) -> None:
    error = app.send_task("exits").get(timeout=10, propagate=False)
    assert isinstance(error, TaskFailed)
    assert (error.type, error.message) == ("builtins.SystemExit", "8")
    assert app.send_task("well").get(timeout=10) == "well"
    assert counts(app) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("task", "gives"),
    [
        ("closes", "closed"),
        ("walks", "/"),
        ("forks", 0),
        ("takes_signals", "deaf"),
        ("leaves_a_thread", "threaded"),
        ("copy_returns", 0),
        ("copy_exits", 3),
        ("copy_raises", 1),
    ],
)
def test_what_a_task_does_to_its_process_costs_no_job(app: PyQueue, task: str, gives: object) -> None:
    assert app.send_task(task).get(timeout=10) == gives
    assert [each.get(timeout=10) for each in app.enqueue_many([app.signature("well")] * 3)] == ["well"] * 3
    assert counts(app) == (4, 0, 0, 0)


def test_a_flood_on_standard_output_costs_no_job(tmp_path: Path, worker: Worker) -> None:
    (tmp_path / "app.py").write_text(SOURCE)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    handle = worker("-c", "1")
    result = app.send_task("prints")
    # The pipe of the worker's output holds far less, so that the task waits for a reader and no longer.
    handle.wait_said(b"y" * 1_000_000)
    assert result.get(timeout=10) == "printed"
    assert counts(app) == (1, 0, 0, 0)
