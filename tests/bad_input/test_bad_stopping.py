from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import rows

from pyqueue import PyQueue

SOURCE = """
import os, time
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")

@app.task(name="hold")
def hold(gate):
    open(gate + ".started", "w").close()
    while not os.path.exists(gate): time.sleep(0.005)
    return os.getppid()
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(SOURCE)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def test_two_workers_of_one_name_share_the_jobs_and_both_are_seen(
    app: PyQueue, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    first, second = (worker("-c", "1", "-n", "twin") for _ in range(2))
    assert sorted((each.name, each.pid) for each in app.store.workers()) == sorted(
        ("twin", handle.pid) for handle in (first, second)
    )
    results = [app.send_task("hold", [str(tmp_path / f"gate{n}")]) for n in range(2)]
    eventually(lambda: len(list(tmp_path.glob("*.started"))) == 2)
    for n in range(2):
        (tmp_path / f"gate{n}").touch()
    assert {result.get(timeout=10) for result in results} == {first.pid, second.pid}
    first.stop()
    assert [(each.name, each.pid) for each in app.store.workers() if each.alive] == [("twin", second.pid)]


def test_ctrl_c_twice_kills_and_the_job_is_done_by_the_next_worker(
    app: PyQueue, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-c", "1")
    running, waiting = (app.send_task("hold", [str(tmp_path / gate)]) for gate in ("a", "b"))
    eventually((tmp_path / "a.started").exists)
    children = handle.children()
    handle.process.send_signal(signal.SIGINT)
    # The warm stop has begun when the log says so; two signals at once would be one.
    eventually(lambda: "stopping" in handle.log.read_text())
    begun = time.monotonic()
    assert handle.stop(signal.SIGINT) == 1
    assert time.monotonic() - begun < 5
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert (running.state, waiting.state) == ("PENDING", "PENDING")
    after = rows(tmp_path / "jobs.db")
    assert after["pyqueue_lease"] == []
    assert [each.outcome for each in running.attempts()] == []
    for gate in "ab":
        (tmp_path / gate).touch()
    worker("-c", "1")
    assert isinstance(running.get(timeout=10), int)
    assert isinstance(waiting.get(timeout=10), int)
