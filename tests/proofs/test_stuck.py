"""Where a child is that is stuck: told before it is killed, on demand, and when it does not get ready."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from processes import Worker, children, until, worker, write_app

from pyqueue import PyQueue
from pyqueue.exceptions import TimeLimitExceeded

APP = """
import ctypes, signal, threading, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task(name="lost_in_here")
def lost_in_here(how):
    Path("mark").touch()
    if how == "lock": threading.Lock().acquire() and lock_twice()
    if how == "gil": ctypes.PyDLL(None).sleep(60)
    if how == "handler": signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    time.sleep(60)

def lock_twice():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

@app.task(name="well")
def well(n): return n
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app beside the module that the workers load."""
    write_app(tmp_path, APP)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


@pytest.mark.parametrize("how", ["sleep", "lock", "gil"])
def test_the_stack_is_in_the_failure_and_in_the_log(app: PyQueue, tmp_path: Path, how: str) -> None:
    with worker(tmp_path, "-c", "1") as process:
        result = app.signature("lost_in_here", [how], time_limit=0.5).delay()
        with pytest.raises(TimeLimitExceeded):
            result.get(timeout=20)
        assert "in lost_in_here" in (result.traceback or "")
        assert ("in lock_twice" in (result.traceback or "")) == (how == "lock")
        assert "it was here:" in process.log.read_text()
        assert "in lost_in_here" in process.log.read_text()
        assert app.signature("well", [1]).delay().get(timeout=20) == 1


def test_control_a_task_that_ignores_the_signal_is_killed_without_a_word(
    app: PyQueue, tmp_path: Path
) -> None:
    with worker(tmp_path, "-c", "1"):
        result = app.signature("lost_in_here", ["handler"], time_limit=0.5).delay()
        with pytest.raises(TimeLimitExceeded):
            result.get(timeout=20)
        assert result.traceback is None


def has_said(process: Worker, times: int) -> bool:
    return process.log.read_text().count("stacks: the stacks of child") == times


def test_sigusr1_tells_where_everybody_is_and_disturbs_nobody(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "2") as process:
        before = children(process.pid)
        result = app.signature("lost_in_here", ["sleep"]).delay()
        until((tmp_path / "mark").exists)
        for said in (2, 4):
            os.kill(process.pid, signal.SIGUSR1)
            until(partial(has_said, process, said))
        log = process.log.read_text()
        assert log.count("in lost_in_here") == 2
        assert "main.py" in log, "the worker itself"
        assert children(process.pid) == before
        assert result.state == "STARTED"


def test_a_child_that_does_not_get_ready_is_replaced_and_says_where_it_was(tmp_path: Path) -> None:
    source = "import threading\nfrom pathlib import Path\nif Path('trap').exists(): threading.Lock().acquire(); L = threading.Lock(); L.acquire(); L.acquire()\n"
    write_app(tmp_path, source + APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with worker(tmp_path, "-c", "1", env={"PYQUEUE_START_TIMEOUT": "1.5"}) as process:
        [first] = children(process.pid)
        (tmp_path / "trap").touch()
        os.kill(first, signal.SIGKILL)
        process.wait_said("it has not loaded the app in time; it was here:")
        assert "app.py" in process.log.read_text()
        process.wait_said("another is started in")
        (tmp_path / "trap").unlink()
        assert app.signature("well", [1]).delay().get(timeout=30) == 1


@pytest.mark.slow
def test_a_child_that_takes_no_jobs_is_replaced(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1") as process:
        [child] = children(process.pid)
        os.kill(child, signal.SIGSTOP)
        result = app.signature("well", [1]).delay()
        process.wait_said("it runs no job and has taken none", timeout=30)
        assert result.get(timeout=20) == 1
        assert children(process.pid) != [child]
