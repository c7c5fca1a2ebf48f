"""How far a job is, and every error it had, while it runs and after."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue

Cli = Callable[..., Any]
Eventually = Callable[..., None]

APP = """
import os, time
from pyqueue import PyQueue
app = PyQueue("jobs.db")

def wait(name):
    while not os.path.exists(name): time.sleep(0.01)

@app.task(bind=True)
def rows(self, n):
    for each in range(n):
        self.progress(each + 1, n)
    wait("go")
    return "all"

@app.task(bind=True)
def copy(self):
    self.progress(2.5, message="copying")
    wait("go")

@app.task(bind=True)
def inside(self):
    with self.transaction() as db:
        self.progress(1, 2)
        wait("go")
    open("committed", "w").close()
    wait("on")

@app.task(bind=True, max_retries=2, default_retry_delay=0)
def unlucky(self):
    raise self.retry(exc=ValueError(f"attempt {self.request.retries} said {'no ' * 20}"))

@app.task(bind=True)
def broken(self, done, total=None):
    self.progress(done, total)
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    return PyQueue(tmp_path / "jobs.db")


def test_the_last_word_is_shown_wherever_one_looks(
    cli: Cli, app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    """Of very many calls the last is not the one left out."""
    worker("-c", "1")
    job = app.send_task("app.rows", (1_000_000,))
    eventually(lambda: job.state == "PROGRESS" and job.info["done"] == 1_000_000, timeout=30)
    assert job.info == {"done": 1_000_000, "total": 1_000_000}
    assert re.search(r"progress +1,000,000 of 1,000,000 \(100 %\)\n", cli("show", job.id).stdout)
    lines = cli("list").stdout.splitlines()
    assert lines[0].split()[-1] == "progress"
    assert lines[1].endswith("1,000,000 of 1,000,000 (100 %)")
    (listed,) = json.loads(cli("list", "--json").stdout)["jobs"]
    assert listed["progress"] == {"state": "PROGRESS", "meta": {"done": 1_000_000, "total": 1_000_000}}
    (tmp_path / "go").touch()
    assert job.get(timeout=20) == "all"
    assert job.info == "all"
    assert "progress" not in cli("list").stdout


def test_progress_without_a_total(
    cli: Cli, app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    worker("-c", "1")
    job = app.send_task("app.copy")
    eventually(lambda: job.state == "PROGRESS")
    assert "2.5: copying" in cli("show", job.id).stdout
    assert job.info == {"done": 2.5, "total": None, "message": "copying"}
    (tmp_path / "go").touch()


def test_progress_inside_of_a_transaction_waits_for_its_end(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    """It does not take the write lock that the block holds, nor does the job end for it."""
    worker("-c", "1")
    job = app.send_task("app.inside")
    eventually(lambda: job.state == "STARTED")
    (tmp_path / "go").touch()
    eventually((tmp_path / "committed").exists)
    (tmp_path / "on").touch()
    assert job.get(timeout=20) is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["half"], "done is a number, not 'half'"),
        ([True], "done is a number, not True"),
        ([1, [2]], r"total is a number, not \[2\]"),
    ],
    ids=str,
)
def test_what_is_no_number_is_refused(cli: Cli, app: PyQueue, arguments: list[Any], error: str) -> None:
    job = app.send_task("app.broken", arguments)
    assert cli("worker", "--burst", "-c", "1").returncode == 0
    with pytest.raises(TypeError, match=error):
        job.get(timeout=5)


def test_outside_of_a_job_progress_does_nothing(app: PyQueue) -> None:
    @app.task(bind=True)
    def count(self: Any) -> int:
        self.progress(1, 2)
        return 1

    assert count() == 1
    assert count.apply().get() == 1
    assert app.store.queues() == []


def test_the_error_of_every_attempt_is_kept_and_shown(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.unlucky")
    assert cli("worker", "--burst", "-c", "1").returncode == 0
    assert [each.outcome for each in job.attempts()] == ["retry", "retry", "failure"]
    messages = [each.failure.message for each in job.attempts() if each.failure is not None]
    assert [message[:14] for message in messages] == ["attempt 0 said", "attempt 1 said", "attempt 2 said"]
    shown = cli("show", job.id).stdout
    for number in range(3):
        assert f"attempt {number + 1}: ValueError: attempt {number} said {'no ' * 19}no" in shown
