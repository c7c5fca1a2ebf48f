"""A retry budget holds over all jobs of a task and all workers, and loses no job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.options import task_options
from pyqueue.rates import rate

APP = """
import os
from pyqueue import PyQueue
app = PyQueue("jobs.db")

def call(name):
    with open(name, "ab", buffering=0) as file:
        file.write(b"x")
    if not os.path.exists("mended"):
        raise ConnectionError("the dependency is down")
    return "well"

@app.task(autoretry_for=(OSError,), max_retries=None, default_retry_delay=0.05, retry_budget="5/h")
def careful(): return call("careful")

@app.task(autoretry_for=(OSError,), max_retries=None, default_retry_delay=0.05)
def careless(): return call("careless")

@app.task(bind=True, max_retries=None, retry_budget="4/s")
def by_hand(self):
    try:
        return call("by hand")
    except OSError as error:
        raise self.retry(exc=error, countdown=0)
"""
JOBS = 12


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_broken_dependency_is_not_hammered_by_all_workers_together(
    project: Callable[[str], Any],
    worker: Callable[..., Any],
    tmp_path: Path,
    eventually: Callable[..., None],
) -> None:
    """The control arm: the same task without a budget calls it hundreds of times meanwhile."""
    tasks = project(APP)
    module = tasks.load()
    results = [module.careful.delay() for _ in range(JOBS)]
    for _ in range(JOBS):
        module.careless.delay()
    for _ in range(2):
        worker("-A", str(tasks.file), "-c", "2")
    eventually(lambda: size(tmp_path / "careless") > 20 * JOBS, timeout=30)
    # Each job once, and five retries.
    assert size(tmp_path / "careful") == JOBS + 5
    assert {result.state for result in results} == {"RETRY"}
    assert {result.retries for result in results} <= {1, 2, 3, 4, 5, 6}
    waiting = [module.app.store.why(result.id) for result in results]
    assert all(why.endswith("The retry budget of its task is used up for now.") for why in waiting)


def test_what_waits_for_its_turn_runs_when_the_turn_comes(
    project: Callable[[str], Any], worker: Callable[..., Any], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    tasks = project(APP)
    module = tasks.load()
    results = [module.by_hand.delay() for _ in range(JOBS)]
    worker("-A", str(tasks.file), "-c", "2")
    eventually(lambda: size(tmp_path / "by hand") > JOBS + 4, timeout=30)
    (tmp_path / "mended").touch()
    assert [result.get(timeout=30) for result in results] == ["well"] * JOBS


@pytest.mark.parametrize(
    ("text", "read"), [("10/s", (10, 1)), ("1/m", (1, 60)), ("7/h", (7, 3600)), ("5/d", (5, 86400))]
)
def test_rates(text: str, read: tuple[int, int]) -> None:
    assert rate(text) == read


@pytest.mark.parametrize(
    "budget", ["10", "10/w", "/m", "0/m", "-1/m", "1.5/s", "٣/m", "9" * 10 + "/s", 10, True, "10/m "]
)
def test_what_is_no_rate_is_refused(budget: Any) -> None:
    with pytest.raises(TypeError, match="retry_budget is a text such as '10/m', not "):
        task_options({"retry_budget": budget})


def test_jobs_in_place_wait_for_no_budget(app: PyQueue) -> None:
    tried: list[int] = []

    @app.task(autoretry_for=(OSError,), max_retries=5, retry_budget="1/d")
    def fetch() -> None:
        tried.append(1)
        raise OSError("no")

    with app.testing(propagate=False):
        fetch.delay()
    assert len(tried) == 6
