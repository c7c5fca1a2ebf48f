"""One release floods the only queue with long jobs, and log-ins wait: what it takes to get them going again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCE = """
import os
import time

from pyqueue import PyQueue

app = PyQueue("jobs.db")


@app.task
def report(number):
    with open("begun", "a") as file:
        file.write(f"{number}\\n")
    end = time.monotonic() + (0 if os.path.exists("quick") else 60)
    while time.monotonic() < end:
        time.sleep(0.01)
    return number


@app.task
def log_in(number):
    return number
"""
SLOTS = 3
FLOOD = 20_000
URGENT = 200

Worker = Callable[..., Any]
Eventually = Callable[..., None]


@pytest.fixture
def pyqueue(tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pyqueue", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def flooded(tasks: Any, worker: Worker, eventually: Eventually) -> list[Any]:
    """Every slot has a report, thousands more are in line, and log-ins behind them; the log-ins."""
    app = tasks.app
    for at in range(0, FLOOD, 5_000):
        app.enqueue_many([tasks.report.s(at + number) for number in range(5_000)])
    urgent = app.enqueue_many([tasks.log_in.s(number) for number in range(URGENT)])
    worker("-A", tasks.__project__.file.name, "-c", str(SLOTS))
    eventually(lambda: len(begun(tasks)) == SLOTS)
    return list(urgent)


def begun(tasks: Any) -> list[str]:
    file = Path(tasks.__project__.folder, "begun")
    return file.read_text().splitlines() if file.exists() else []


def counts(tasks: Any) -> dict[str, int]:
    """Reports that have not ended, by state."""
    jobs = tasks.app.jobs
    return {state: jobs(f"task=*.report state={state}").count() for state in ("waiting", "parked", "running")}


def test_a_pause_with_running_gets_the_others_going_and_loses_nothing(
    tasks: Any, flooded: list[Any], pyqueue: Callable[..., str], eventually: Eventually
) -> None:
    name = tasks.report.name
    # Without it nothing moves: every slot is taken for a minute.
    with pytest.raises(TimeoutError):
        flooded[0].get(timeout=1.0)
    running = [job.id for job in tasks.app.store.jobs(state="running")]
    assert len(running) == SLOTS
    said = pyqueue("pause", "--task", name, "--running", "--reason", "bad release")
    paused = time.monotonic()
    assert f"task {name} is paused, {SLOTS} running are asked to give way" in said
    assert [job.get(timeout=30) for job in flooded] == list(range(URGENT))
    took = time.monotonic() - paused
    assert took < 1.0, f"the log-ins took {took:.2f} s"
    assert sum(counts(tasks).values()) == FLOOD
    assert counts(tasks)["running"] == 0
    # Those that gave way have used up no attempt, and wait before the others.
    assert [tasks.app.store.attempts(id) for id in running] == [[]] * SLOTS
    assert "paused" in pyqueue("why", running[0])
    assert "bad release" in pyqueue("status")
    # What comes later waits too.
    later = tasks.report.delay(FLOOD)
    tasks.log_in.delay(0).get(timeout=10)
    assert (later.state, len(begun(tasks))) == ("PENDING", SLOTS)
    # Then they are let out, a few at a time.
    Path(tasks.__project__.folder, "quick").touch()
    assert "may start again, 40/s" in pyqueue("resume", "--task", name, "--rate", "40/s")
    eventually(lambda: len(begun(tasks)) >= SLOTS + 201, timeout=30)
    pyqueue("pause", "--task", name)
    eventually(lambda: counts(tasks)["running"] == 0)
    assert begun(tasks)[SLOTS : 2 * SLOTS] == ["0", "1", "2"]
    starts = sorted(started_us(tasks, name))[:200]
    rate = (len(starts) - 1) / (starts[-1] - starts[0]) * 1e6
    assert rate == pytest.approx(40, rel=0.05)
    # All of them, each once.
    pyqueue("resume", "--task", name)
    eventually(lambda: sum(counts(tasks).values()) == 0, timeout=60)
    ended = [line for line in begun(tasks)[SLOTS:] if line]
    assert sorted(map(int, ended)) == list(range(FLOOD + 1))
    assert tasks.app.store.examine() == []


def started_us(tasks: Any, name: str) -> list[int]:
    jobs = tasks.app.store.jobs(task=name, state="success", limit=FLOOD)
    found = [tasks.app.store.attempts(job.id)[-1].started_us for job in jobs]
    return [at for at in found if at is not None]


def test_a_plain_pause_does_the_same_where_a_slot_is_free(
    tasks: Any, worker: Worker, pyqueue: Callable[..., str], eventually: Eventually
) -> None:
    app, name = tasks.app, tasks.report.name
    app.enqueue_many([tasks.report.s(number) for number in range(SLOTS - 1)])
    worker("-A", tasks.__project__.file.name, "-c", str(SLOTS))
    eventually(lambda: len(begun(tasks)) == SLOTS - 1)
    pyqueue("pause", "--task", name)
    app.enqueue_many([tasks.report.s(number) for number in range(FLOOD)])
    urgent = app.enqueue_many([tasks.log_in.s(number) for number in range(URGENT)])
    assert [job.get(timeout=30) for job in urgent] == list(range(URGENT))
    # Those that ran go on.
    assert counts(tasks) == {"waiting": 0, "parked": FLOOD, "running": SLOTS - 1}
    assert len(begun(tasks)) == SLOTS - 1


def test_a_plain_pause_does_the_same_where_slots_are_reserved(
    tasks: Any, worker: Worker, pyqueue: Callable[..., str], eventually: Eventually
) -> None:
    app, name = tasks.app, tasks.report.name
    app.enqueue_many([tasks.report.s(number) for number in range(1_000)])
    urgent = app.enqueue_many([tasks.log_in.s(number).set(queue="urgent") for number in range(URGENT)])
    worker("-A", tasks.__project__.file.name, "-c", "3", "-Q", "default,urgent:1")
    assert [job.get(timeout=30) for job in urgent] == list(range(URGENT))
    eventually(lambda: len(begun(tasks)) == 2)
    pyqueue("pause", "--task", name)
    # One more queue without slots of its own has to wait for those that run.
    with pytest.raises(TimeoutError):
        tasks.log_in.delay(1).get(timeout=1.0)
    assert tasks.log_in.apply_async((1,), queue="urgent").get(timeout=30) == 1


def test_two_workers_of_other_queues_and_tasks_go_on_beside_a_paused_flood(
    tasks: Any, worker: Worker, eventually: Eventually, tmp_path: Path
) -> None:
    other = tmp_path / "other.py"
    other.write_text(
        "from pyqueue import PyQueue\n"
        "app = PyQueue('jobs.db')\n"
        "@app.task(name='other.add')\n"
        "def add(x, y):\n    return x + y\n"
    )
    app = tasks.app
    app.pause("task=*.report")
    app.enqueue_many([tasks.report.s(number) for number in range(FLOOD)])
    log_ins = app.enqueue_many([tasks.log_in.s(number) for number in range(URGENT)])
    # Of the one task in the other's queue, and of the other's in the first.
    stray = tasks.log_in.apply_async((7,), queue="sums")
    sums = [app.send_task("other.add", (number, 1), queue="sums") for number in range(URGENT)]
    lost = app.send_task("other.add", (1, 1), queue="default")
    worker("-A", tasks.__project__.file.name, "-c", "1", "-Q", "default", "-n", "one")
    worker("-A", "other.py", "-c", "1", "-Q", "sums", "-n", "two")
    assert [job.get(timeout=30) for job in log_ins] == list(range(URGENT))
    assert [job.get(timeout=30) for job in sums] == [number + 1 for number in range(URGENT)]
    eventually(
        lambda: (stray.state, lost.state) == ("PENDING", "PENDING") and "No worker" in app.store.why(lost.id)
    )
    worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "both")
    assert stray.get(timeout=30) == 7
    assert app.store.queues()[0].parked == FLOOD + 1


def test_status_says_what_is_paused_since_when_by_whom_and_why(
    tasks: Any, pyqueue: Callable[..., str]
) -> None:
    tasks.report.delay(1)
    pyqueue("pause", "--key", "c7:*", "--reason", "they asked for it")
    pyqueue("resume", "--task", "slow", "--rate", "5/m")
    told = json.loads(pyqueue("status", "--json"))
    key, slow = told["gates"]
    assert (key["scope"], key["key"], key["paused"], key["reason"]) == (
        "fits",
        "c7:*",
        True,
        "they asked for it",
    )
    assert re.fullmatch(r".+@.+", key["author"])
    assert (slow["task"], slow["paused"], slow["each"]) == ("slow", False, 12.0)
    shown = pyqueue("status")
    assert "key=c7:*" in shown
    assert "one in 12 s" in shown


def test_a_rate_holds_over_all_workers(tasks: Any, worker: Worker, eventually: Eventually) -> None:
    app, name = tasks.app, tasks.report.name
    Path(tasks.__project__.folder, "quick").touch()
    app.resume(f"task={name}", rate="50/s")
    app.enqueue_many([tasks.report.s(number) for number in range(FLOOD)])
    for _ in range(2):
        worker("-A", tasks.__project__.file.name, "-c", "2")
    eventually(lambda: len(begun(tasks)) >= 301, timeout=30)
    app.pause(f"task={name}")
    eventually(lambda: counts(tasks)["running"] == 0)
    starts = sorted(started_us(tasks, name))[50:301]
    assert (len(starts) - 1) / (starts[-1] - starts[0]) * 1e6 == pytest.approx(50, rel=0.05)
