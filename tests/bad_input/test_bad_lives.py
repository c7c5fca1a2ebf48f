from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import said

from pyqueue import PyQueue
from pyqueue.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

SOURCE = """
import ctypes, os, signal, subprocess, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

def task(function): return app.task(name=function.__name__)(function)

@task
def well(n=0): return n
@task
def pid(): return os.getpid()
@task
def masks():
    try: time.sleep(60)
    finally: raise ValueError("masked")
@task
def never_ends():
    try: time.sleep(60)
    finally:
        while True:
            try: time.sleep(60)
            except BaseException: pass
@task
def blocks_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    time.sleep(60)
@task
def holds_the_gil(seconds):
    Path("held").touch()
    ctypes.PyDLL(None).sleep(seconds)
    return "let go"
@task
def takes_all_signals():
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    return "deaf"
@task
def sleeps(): time.sleep(60)
@task
def leaves_a_process(path):
    Path(path).write_text(str(subprocess.Popen(["sleep", "120"]).pid))
    time.sleep(60)
"""

Worker = Callable[..., Any]


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app beside its module."""
    (tmp_path / "app.py").write_text(SOURCE)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def test_what_finally_raises_in_place_of_the_soft_limit_is_the_jobs_error(
    app: PyQueue, worker: Worker
) -> None:
    worker("-c", "1")
    before = app.send_task("pid").get(timeout=20)
    with pytest.raises(ValueError, match="masked"):
        app.send_task("masks", soft_time_limit=0.2).get(timeout=20)
    assert app.send_task("pid").get(timeout=20) == before


@pytest.mark.parametrize("task", ["never_ends", "blocks_signals"])
def test_what_the_soft_limit_can_not_end_the_hard_one_does(app: PyQueue, worker: Worker, task: str) -> None:
    worker("-c", "1")
    job = app.send_task(task, soft_time_limit=0.2, time_limit=0.6)
    with pytest.raises(TimeLimitExceeded) as caught:
        job.get(timeout=20)
    assert "its process was killed" in str(caught.value)
    assert app.send_task("well", [1]).get(timeout=20) == 1


def test_who_holds_the_interpreter_in_c_keeps_nobody_else_waiting(
    app: PyQueue, worker: Worker, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    worker("-c", "2")
    held = app.send_task("holds_the_gil", [10])
    eventually((tmp_path / "held").exists)
    others = app.enqueue_many([app.signature("well", [n]) for n in range(200)])
    assert [each.get(timeout=10) for each in others] == list(range(200))
    assert held.state == "STARTED"
    assert held.get(timeout=20) == "let go"
    assert [each.outcome for each in held.attempts()] == ["success"]


def test_a_task_that_takes_all_signals_spoils_no_limit_of_the_next(app: PyQueue, worker: Worker) -> None:
    handle = worker("-c", "1")
    assert app.send_task("takes_all_signals").get(timeout=20) == "deaf"
    with pytest.raises(SoftTimeLimitExceeded):
        app.send_task("sleeps", soft_time_limit=0.2).get(timeout=20)
    with pytest.raises(TimeLimitExceeded):
        app.send_task("sleeps", time_limit=0.2).get(timeout=20)
    assert app.send_task("well", [1]).get(timeout=20) == 1
    assert handle.stop() == 0


def test_a_process_that_outlives_its_task_holds_nothing_up(
    app: PyQueue, worker: Worker, tmp_path: Path
) -> None:
    handle = worker("-c", "1")
    left = tmp_path / "left"
    try:
        with pytest.raises(TimeLimitExceeded):
            app.send_task("leaves_a_process", [str(left)], time_limit=1).get(timeout=20)
        assert app.send_task("well", [1]).get(timeout=20) == 1
        assert handle.stop() == 0
        os.kill(int(left.read_text()), 0)
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)


def test_an_app_that_never_loads_is_one_line_after_the_other_and_no_spin(
    app: PyQueue,
    worker: Worker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., None],
) -> None:
    monkeypatch.setenv("PYQUEUE_START_TIMEOUT", "1")
    source = "import os, time\nif 'PYQUEUE_SLOT' in os.environ: time.sleep(600)\n"
    (tmp_path / "app.py").write_text(source + SOURCE)
    handle = worker("-c", "1", ready=False)
    eventually(lambda: handle.log.read_text().count("it has not loaded the app in time") >= 2, timeout=20)
    said(
        next(line for line in handle.log.read_text().splitlines() if "another is started" in line),
        happened="a child did not load the app in time",
        do="another is started in 0.1 s",
    )
    assert app.send_task("well").state == "PENDING"
    assert handle.stop() == 0
