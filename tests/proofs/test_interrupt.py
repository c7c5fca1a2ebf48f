"""Ctrl-C ends what waits, at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from processes import Started, Worker, seconds_to_end, write_app

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")
@app.task
def nop(): pass
"""

WAITING = """
from app import nop
nop.delay().get()
"""

DEAF = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("deaf", flush=True)
while True: signal.pause()
"""

BOUND = 0.2
TRIES = 3

Start = Callable[[Path], AbstractContextManager[Started]]
Kill = Callable[[int, int], None]


def best(folder: Path, start: Start, ready: str, kill: Kill) -> tuple[float | None, Started]:
    """The shortest time from SIGINT to the end of the process, since the machine is shared; None: it stays."""
    times = []
    for _ in range(TRIES):
        with start(folder) as started:
            started.wait_said(ready)
            kill(started.pid, signal.SIGINT)
            took = seconds_to_end([started.pid], 1)
            if took is None:
                return None, started
            started.wait(1)
        times.append(took)
        if took <= BOUND:
            break
    print(f"SIGINT to exit: {', '.join(f'{took * 1000:.0f} ms' for took in times)}")
    return min(times), started


def waiting(folder: Path) -> Started:
    write_app(folder, APP)
    # Nobody works here, and after a second get() warns of that: then it surely waits.
    return Started(folder, "-c", WAITING)


def idle(folder: Path) -> Started:
    write_app(folder, APP)
    return Worker(folder, "-c", "2")


def deaf(folder: Path) -> Started:
    return Started(folder, "-c", DEAF)


def prompt(took: float | None) -> bool:
    return took is not None and took <= BOUND


def test_ctrl_c_ends_a_waiting_get(tmp_path: Path) -> None:
    took, script = best(tmp_path, waiting, "still waiting", os.kill)
    assert prompt(took), took
    assert script.process.returncode in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in script.log.read_text()


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["the supervisor", "the process group"])
def test_ctrl_c_ends_an_idle_worker(tmp_path: Path, kill: Kill) -> None:
    took, worker = best(tmp_path, idle, " ready: ", kill)
    assert prompt(took), (took, worker.log.read_text())
    assert worker.process.returncode == 0
    assert "Traceback" not in worker.log.read_text()


def test_control_a_process_that_ignores_it_is_reported(tmp_path: Path) -> None:
    took, _ = best(tmp_path, deaf, "deaf", os.kill)
    assert not prompt(took)
