"""An idle worker leaves the machine alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import Started, tree, until, worker, write_app

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def nop(): pass
"""

POLLING = """
import sqlite3, time
connection = sqlite3.connect("polled.db")
connection.execute("CREATE TABLE t(n)")
print("polls", flush=True)
while True:
    connection.execute("PRAGMA data_version").fetchone()
    time.sleep(0.001)
"""

CALLS_A_SECOND = 5
QUIET = 2.0


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is not installed")
        pytest.skip("strace is not installed")
    return found


def calls_a_second(strace: str, folder: Path, pids: list[int], seconds: float) -> float:
    """System calls of the processes, all their threads included, by when they began."""
    trace, said = folder / "trace", folder / "strace.log"
    chosen = [part for pid in pids for part in ("-p", str(pid))]
    with (
        said.open("wb") as log,
        subprocess.Popen([strace, "-f", "-ttt", "-o", str(trace), *chosen], stderr=log) as tracer,
    ):
        try:
            until(lambda: said.read_text().count("attached") >= len(pids) or tracer.poll() is not None)
            assert tracer.poll() is None, said.read_text()
            # The calls in which the threads were found are shown at once and belong to the time before.
            time.sleep(0.2)
            begun = time.time()
            # The span of time is what is measured.
            time.sleep(seconds)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
    lines = [line.split(maxsplit=2) for line in trace.read_text().splitlines()]
    began = [float(when) for _, when, what in lines if what[0].isalpha()]
    assert began, "nothing was traced"
    return sum(begun <= when < begun + seconds for when in began) / seconds


@pytest.mark.timeout(90)
def test_an_idle_worker_makes_hardly_any_system_calls(tmp_path: Path, strace: str) -> None:
    write_app(tmp_path, APP)
    with worker(tmp_path, "-c", "2") as idle:
        pids = tree(idle.pid)
        assert len(pids) == 3
        time.sleep(QUIET)
        rate = calls_a_second(strace, tmp_path, pids, 6)
        trace = (tmp_path / "trace").read_text()
    print(f"{rate:.1f} system calls a second")
    assert rate <= CALLS_A_SECOND, trace


def test_control_a_poll_each_millisecond_is_counted(tmp_path: Path, strace: str) -> None:
    with Started(tmp_path, "-c", POLLING) as polling:
        polling.wait_said("polls")
        rate = calls_a_second(strace, tmp_path, [polling.pid], 2)
    print(f"{rate:.0f} system calls a second")
    assert rate > 20 * CALLS_A_SECOND
