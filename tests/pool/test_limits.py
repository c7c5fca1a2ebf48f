"""Time limits of the command line hold for jobs that have none of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyqueue.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

SOURCE = """
import time
from pyqueue import PyQueue
from pyqueue.exceptions import SoftTimeLimitExceeded

app = PyQueue("jobs.db")

@app.task
def sleep(seconds): time.sleep(seconds)

@app.task(time_limit=30, soft_time_limit=20)
def patient(seconds): time.sleep(seconds)

@app.task(bind=True)
def told(self): return self.request.timelimit

@app.task
def tidy():
    try: time.sleep(60)
    except SoftTimeLimitExceeded: return "tidied"
"""
Worker = Callable[..., Any]
Refused = Callable[[list[str]], str]


def test_the_hard_limit_is_for_jobs_without_one(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2", "--time-limit", "300ms")
    late = tasks.sleep.delay(60)
    own = [tasks.patient.delay(0.7), tasks.sleep.apply_async((0.7,), time_limit=30)]
    with pytest.raises(TimeLimitExceeded, match=r"time limit of 0\.3 s"):
        late.get(timeout=20)
    assert [result.get(timeout=20) for result in own] == [None, None]


def test_control_without_it_the_job_ends(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    assert tasks.sleep.delay(0.7).get(timeout=20) is None


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_the_soft_limit_is_raised_in_the_task(tasks: Any, worker: Worker, pool: str) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2", "-P", pool, "--soft-time-limit", "0.3")
    if pool == "prefork":  # a thread is not interrupted while it waits in C
        assert tasks.tidy.delay().get(timeout=20) == "tidied"
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.sleep.delay(0.7).get(timeout=20)
    assert tasks.patient.delay(0.7).get(timeout=20) is None


def test_a_task_sees_them(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "--time-limit", "9", "--soft-time-limit", "5s")
    assert tasks.told.delay().get(timeout=20) == [9.0, 5.0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time-limit", "0"], "'0' is not a time above 0"),
        (["--soft-time-limit", "soon"], "'soon' is not a time above 0"),
        (["--time-limit", "1", "--soft-time-limit", "2"], "the soft time limit must be below the hard one"),
    ],
)
def test_bad_limits_are_refused(refused: Refused, options: list[str], said: str) -> None:
    assert said in refused(options)
