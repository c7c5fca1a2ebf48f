"""Revoking a job that runs: told, interrupted, signalled, killed; and whatever becomes of its worker it does not run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import children, until, worker, write_app

from pyqueue import PyQueue
from pyqueue.exceptions import TaskRevokedError, TimeoutError

APP = """
import asyncio, os, signal, threading, time
from pathlib import Path
from pyqueue import PyQueue
from pyqueue.exceptions import Terminated

app = PyQueue("jobs.db", durability="normal")

def task(function):
    return app.task(name=function.__name__, bind=True)(function)

@task
def sleeps(self, name):
    Path(name).touch()
    try:
        time.sleep(60)
    finally:
        Path(name + ".end").touch()

@task
def looks(self, name):
    Path(name).touch()
    while not self.is_aborted(): time.sleep(0.01)
    return "had enough"

@task
async def waits(self, name):
    Path(name).touch()
    try:
        await asyncio.sleep(60)
    finally:
        Path(name + ".end").touch()

@task
def spins(self, name):
    Path(name).touch()
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end: pass
    finally:
        Path(name + ".end").touch()

@task
def swallows(self, name):
    Path(name).touch()
    while True:
        try:
            time.sleep(60)
        except BaseException as error:
            Path(name + ".end").write_text(type(error).__name__)

@task
def masks(self, name):
    Path(name).touch()
    try:
        time.sleep(60)
    finally:
        raise ValueError("masked")

@task
def blocks(self, name):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    Path(name).touch()
    time.sleep(60)

@task
def has_a_handler(self, name):
    def told(*_):
        Path(name + ".end").write_text("SIGTERM")
        os._exit(7)
    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    Path(name).touch()
    time.sleep(60)

@task
def retries(self, name):
    Path(name).touch()
    try:
        time.sleep(60)
    except Terminated:
        raise self.retry(countdown=0)

@task
def leaving(self, name):
    Path(name).touch()
    while not self.shutting_down: time.sleep(0.01)
    return "left"

@task
def well(self, n): return n

@task
def note(self, id): Path("noted").touch()
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app beside the module that the workers load."""
    write_app(tmp_path, APP)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def begin(app: PyQueue, folder: Path, name: str, mark: str = "mark", **options: Any) -> Any:
    """A job that runs."""
    result: Any = app.signature(name, [mark], **options).delay()
    until((folder / mark).exists, what=f"{name} runs")
    return result


def ended(result: Any) -> tuple[str, list[str]]:
    return result.state, [each.outcome for each in result.attempts()]


REVOKED = ("REVOKED", ["cancelled"])


@pytest.mark.parametrize(
    ("pool", "name"),
    [
        # A thread that waits in C is interrupted by nothing.
        ("prefork", "sleeps"),
        *((pool, name) for pool in ("prefork", "threads", "asyncio") for name in ("waits", "spins")),
    ],
)
def test_the_task_is_interrupted_and_the_child_goes_on(
    app: PyQueue, tmp_path: Path, pool: str, name: str
) -> None:
    with worker(tmp_path, "-P", pool, "-c", "1" if pool == "prefork" else "4") as process:
        before = children(process.pid)
        result = begin(app, tmp_path, name)
        assert result.revoke(terminate=True, wait=20, grace=20) is True
        assert ended(result) == REVOKED
        assert (tmp_path / "mark.end").exists(), "finally has run"
        with pytest.raises(TaskRevokedError):
            result.get(timeout=5)
        assert app.signature("well", [1]).delay().get(timeout=20) == 1
        assert children(process.pid) == before


def test_control_without_terminate_it_goes_on(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1"):
        result = begin(app, tmp_path, "sleeps")
        assert result.revoke() is False
        with pytest.raises(TimeoutError):
            result.get(timeout=1.5)
        assert result.state == "STARTED"


def test_a_task_that_looks_ends_by_itself_and_that_is_a_success(app: PyQueue, tmp_path: Path) -> None:
    write_app(
        tmp_path,
        APP.replace(
            "while not self.is_aborted()",
            "signal.signal(signal.SIGUSR2, lambda *_: 0)\n    while not self.is_aborted()",
        ),
    )
    with worker(tmp_path, "-c", "1"):
        result = begin(app, tmp_path, "looks")
        assert result.revoke(terminate=True, wait=20) is False
        assert result.get(timeout=5) == "had enough"


@pytest.mark.parametrize("name", ["masks", "retries"])
def test_what_it_raises_instead_changes_nothing(app: PyQueue, tmp_path: Path, name: str) -> None:
    with worker(tmp_path, "-c", "1"):
        result = begin(app, tmp_path, name, link_error=app.signature("note"))
        assert result.revoke(terminate=True, wait=20) is True
        assert ended(result) == REVOKED
        assert app.signature("well", [1]).delay().get(timeout=20) == 1
        assert not (tmp_path / "noted").exists()


@pytest.mark.parametrize("name", ["swallows", "blocks"])
def test_what_does_not_end_is_killed(app: PyQueue, tmp_path: Path, name: str) -> None:
    with worker(tmp_path, "-c", "1") as process:
        before = children(process.pid)
        result = begin(app, tmp_path, name)
        assert result.revoke(terminate=True, wait=20, grace=0.3) is True
        assert ended(result) == REVOKED
        assert app.signature("well", [1]).delay().get(timeout=20) == 1
        assert children(process.pid) != before
    if name == "swallows":
        assert (tmp_path / "mark.end").read_text() == "Terminated"


def test_the_signal_reaches_a_handler_of_the_task(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1"):
        result = begin(app, tmp_path, "has_a_handler")
        assert result.revoke(terminate=True, wait=20, grace=0.3) is True
        assert ended(result) == REVOKED
        assert (tmp_path / "mark.end").read_text() == "SIGTERM"


def test_sigkill_kills_at_once(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1"):
        result = begin(app, tmp_path, "sleeps")
        assert result.revoke(terminate=True, signal="SIGKILL", wait=20, grace=60) is True
        assert ended(result) == REVOKED
        assert not (tmp_path / "mark.end").exists()


def test_one_of_many_is_ended_and_the_others_go_on(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-P", "asyncio", "-c", "20") as process:
        before = children(process.pid)
        results = [begin(app, tmp_path, "waits", f"mark-{n}") for n in range(10)]
        assert results[3].revoke(terminate=True, wait=20) is True
        assert [each.state for each in results] == ["STARTED"] * 3 + ["REVOKED"] + ["STARTED"] * 6
        assert children(process.pid) == before


def test_it_is_not_run_again_when_its_worker_dies_first(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1") as process:
        result = begin(app, tmp_path, "swallows")
        assert result.revoke(terminate=True, grace=60) is True
        process.wait_said("it was revoked")
        os.kill(process.pid, signal.SIGKILL)
    with worker(tmp_path, "-c", "1"):
        until(lambda: result.state == "REVOKED")
        assert ended(result) == REVOKED


def test_one_that_waits_is_cancelled_at_once_and_an_ended_one_is_too_late(
    app: PyQueue, tmp_path: Path
) -> None:
    waits = app.signature("well", [1]).delay()
    assert waits.revoke(terminate=True, wait=True) is True
    assert waits.state == "REVOKED"
    with worker(tmp_path, "-c", "1"):
        done = app.signature("well", [1]).delay()
        done.get(timeout=20)
        assert done.revoke(terminate=True, wait=True) is False
    with pytest.raises(ValueError, match="there is no signal 'SIGNOTHING'"):
        done.revoke(terminate=True, signal="SIGNOTHING")


def test_a_task_learns_of_a_stop_and_of_a_reload(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1") as process:
        result = begin(app, tmp_path, "leaving", "first")
        os.kill(process.pid, signal.SIGHUP)
        assert result.get(timeout=20) == "left"
        result = begin(app, tmp_path, "leaving", "second")
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
    assert result.get(timeout=5) == "left"


def test_the_command_ends_a_running_job(app: PyQueue, tmp_path: Path) -> None:
    def cancel(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pyqueue", "cancel", "--db", "jobs.db", *arguments]
        made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        return made.returncode, made.stdout + made.stderr

    with worker(tmp_path, "-c", "1"):
        result = begin(app, tmp_path, "sleeps")
        code, said = cancel(result.id)
        assert (code, "too late" in said) == (1, True)
        code, said = cancel("--terminate", "--signal", "NOTHING", result.id)
        assert (code, "there is no signal 'NOTHING'" in said) == (64, True)
        assert cancel("--terminate", "--wait", result.id) == (0, "1 cancelled\n")
        assert ended(result) == REVOKED
