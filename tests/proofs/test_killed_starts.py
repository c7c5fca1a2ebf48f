"""Children that are killed while they start, as by the kernel when memory runs out, do not stop their worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

import pytest
from processes import Worker, until, write_app

from pyqueue import PyQueue

KILLS = 8
"""More than the three children in a row whose own fault stops a worker."""

APP = """
import os, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db")

@app.task
def well():
    return "well"

if "PYQUEUE_SLOT" in os.environ:
    Path(f"starting-{os.getpid()}").touch()
    while not Path("door").exists():
        if Path(f"leave-{os.getpid()}").exists():
            os._exit(7)
        time.sleep(0.005)
"""


def kill(folder: Path, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def crash(folder: Path, pid: int) -> None:
    os.kill(pid, signal.SIGSEGV)


def leave(folder: Path, pid: int) -> None:
    (folder / f"leave-{pid}").touch()


def starting(folder: Path, known: AbstractSet[int]) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in folder.glob("starting-*")} - known


def goes_on(folder: Path, worker: Worker, known: AbstractSet[int]) -> bool:
    return bool(starting(folder, known)) or worker.process.poll() is not None


def end_each(folder: Path, worker: Worker, end: Callable[[Path, int], None]) -> set[int]:
    """Ends children as they start, until there were enough of them or the worker has stopped."""
    ended: set[int] = set()
    while len(ended) < KILLS:
        until(partial(goes_on, folder, worker, frozenset(ended)), what="another is started")
        new = starting(folder, ended)
        if not new:
            break
        for pid in new:
            end(folder, pid)
        ended |= new
    return ended


@pytest.mark.timeout(60)
def test_a_worker_outlives_children_that_are_killed_while_they_start(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db")
    job = app.send_task("app.well")
    with Worker(tmp_path, "-c", "2") as worker:
        assert len(end_each(tmp_path, worker, kill)) >= KILLS
        (tmp_path / "door").touch()
        assert job.get(timeout=30) == "well"
        worker.wait_ready()
        told = worker.log.read_text().count("was ended by signal")
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(20) == 0, worker.log.read_text()
    # Of each place's four or so the first, the second and the fourth.
    assert 2 <= told < KILLS, worker.log.read_text()


@pytest.mark.parametrize("end", [leave, crash])
def test_control_three_that_end_by_themselves_stop_it(
    tmp_path: Path, end: Callable[[Path, int], None]
) -> None:
    write_app(tmp_path, APP)
    with Worker(tmp_path, "-c", "1") as worker:
        assert len(end_each(tmp_path, worker, end)) == 3
        assert worker.wait(20) == 1
        assert "3 children in a row could not start; the worker stops" in worker.log.read_text()
