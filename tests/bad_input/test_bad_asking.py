from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import said, unchanged

from pyqueue import PyQueue
from pyqueue.exceptions import TimeoutError, UnknownJob

SOURCE = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")

@app.task(name="shop.add")
def add(x, y): return x + y

@app.task(name="shop.asks")
def asks(): return add.delay(1, 2).get(timeout=0.3)
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(SOURCE)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def test_a_job_of_an_unknown_task_waits_in_sight_and_is_done_once_the_task_is_known(
    app: PyQueue, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    lost = app.send_task("shop.ad", [1, 2])
    handle = worker("-c", "1")
    assert app.send_task("shop.add", [2, 3]).get(timeout=10) == 5
    eventually(lambda: app.store.view(lost.id).state == "parked")
    assert lost.state == "PENDING"
    said(app.store.why(lost.id), happened="shop.ad", do="worker")
    [queue] = app.store.queues()
    assert (queue.parked, queue.failed) == (1, 0)
    eventually(lambda: "shop.ad is registered here; near it are: shop.add" in handle.log.read_text())
    assert handle.log.read_text().count("unknown_task:") == 1, "once a task"
    with pytest.raises(TimeoutError, match="still parked"):
        lost.get(timeout=0.1)
    handle.stop()
    (tmp_path / "app.py").write_text(SOURCE + "\n@app.task(name='shop.ad')\ndef ad(x, y): return x - y\n")
    worker("-c", "1")
    assert lost.get(timeout=10) == -1
    assert [each.outcome for each in lost.attempts()] == ["success"]


ASK = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")
print(app.send_task("shop.add", [1, 2]).get())
"""


def test_without_a_worker_get_says_so_after_a_second_and_how_to_start_one(
    app: PyQueue, worker: Worker, tmp_path: Path
) -> None:
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", ASK],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asker:
        assert asker.stdout is not None
        assert asker.stderr is not None
        line = asker.stderr.readline()
        waited = time.monotonic() - begun
        said(
            line,
            happened="still waiting for job .*no worker is running",
            do="start one with: pyqueue worker --db",
        )
        assert waited >= 1
        worker("-c", "1")
        assert asker.stdout.read() == "3\n"


def test_without_a_worker_the_end_of_the_time_says_so_too(app: PyQueue, tmp_path: Path) -> None:
    result = app.send_task("shop.add", [1, 2])
    with unchanged(tmp_path / "jobs.db"):
        with pytest.raises(TimeoutError) as caught:
            result.get(timeout=0.05)
        said(
            caught.value,
            happened="still waiting after 0.05 s; no worker is running",
            do="pyqueue worker --db",
        )
        with pytest.raises(TimeoutError):
            result.get(timeout=-1)


def test_a_result_asked_inside_the_only_slot_is_warned_of_and_the_inner_job_is_done(
    app: PyQueue, worker: Worker
) -> None:
    handle = worker("-c", "1")
    outer = app.send_task("shop.asks")
    with pytest.raises(TimeoutError, match="waiting after"):
        outer.get(timeout=10)
    (warning,) = [line for line in handle.log.read_text().splitlines() if "RuntimeWarning" in line]
    said(warning, happened="shop.asks waits for job .* in its own slot", do="self.replace")
    # The inner job was made before the question and loses nothing by it.
    assert app.send_task("shop.add", [5, 5]).get(timeout=10) == 10
    [queue] = app.store.queues()
    assert (queue.succeeded, queue.failed, queue.waiting, queue.running) == (2, 1, 0, 0)


@pytest.mark.parametrize("timeout", [math.nan, math.inf, 1e30, "5"], ids=repr)
def test_a_time_that_is_none_is_refused(app: PyQueue, tmp_path: Path, timeout: Any) -> None:
    result = app.send_task("shop.add", [1, 2])
    with unchanged(tmp_path / "jobs.db"):
        with pytest.raises((ValueError, TypeError)) as caught:
            result.get(timeout=timeout)
        said(caught.value, happened="a timeout (of|is)", do="seconds or a timedelta")


@pytest.mark.parametrize(
    "id",
    ["nope", "", "a\0b", "0017f000-0000-8000-8ea1-943961d74c8d", "x" * 1000],
    ids=["word", "empty", "nul", "like ours", "long"],
)
def test_an_unknown_id_is_said_at_once(app: PyQueue, tmp_path: Path, id: str) -> None:
    app.send_task("shop.add")
    with unchanged(tmp_path / "jobs.db"):
        assert app.AsyncResult(id).state == "UNKNOWN"
        assert not app.AsyncResult(id).ready()
        assert app.AsyncResult(id).revoke() is False
        with pytest.raises(UnknownJob, match="holds no job"):
            app.AsyncResult(id).get(timeout=30)


def test_half_a_queue_in_the_inbox_is_refused_by_the_table_itself(app: PyQueue, tmp_path: Path) -> None:
    app.send_task("shop.add")
    with unchanged(tmp_path / "jobs.db"):
        for columns, values in (
            ("task", ("shop.add",)),
            ("task, body", ("", b"{}")),
            ("task, body, priority", ("shop.add", b"{}", 500)),
            ("task, body, queue", ("shop.add", b"{}", "x" * 256)),
        ):
            with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
                marks = ", ".join("?" * len(values))
                with pytest.raises(sqlite3.IntegrityError):
                    connection.execute(f"INSERT INTO pyqueue_inbox({columns}) VALUES ({marks})", values)
