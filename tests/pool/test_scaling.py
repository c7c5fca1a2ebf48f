"""The number of children follows the load between two bounds, and knows what the machine leaves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import _core
from pyqueue.cli.main import main

SOURCE = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db")

@app.task
def hold(path):
    open(f"{path}.{os.getpid()}", "w").close()
    while not os.path.exists(path): time.sleep(0.01)
    return os.getpid()
"""
Worker = Callable[..., Any]
Refused = Callable[[list[str]], str]
Eventually = Callable[..., None]


def at_work(folder: Path, name: str = "go") -> int:
    """How many children have begun to hold."""
    return len(list(folder.glob(f"{name}.*")))


def test_children_come_while_jobs_wait(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "--autoscale", "4,1")
    assert b"1 to 4 children" in handle.said
    assert len(handle.children()) == 1
    path = str(tmp_path / "go")
    results = [tasks.hold.delay(path) for _ in range(6)]
    eventually(lambda: at_work(tmp_path) == 4, timeout=30)
    (tmp_path / "go").touch()
    assert len({result.get(timeout=30) for result in results}) == 4
    said = handle.log.read_text()
    assert "scaled: 2 children instead of 1: jobs wait" in said
    assert "scaled: 4 children instead of 2: jobs wait" in said


def test_jobs_that_fall_due_while_all_are_busy_count(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "--autoscale", "2")
    path = str(tmp_path / "go")
    first = tasks.hold.delay(path)
    second = tasks.hold.apply_async((path,), countdown=1)
    eventually(lambda: at_work(tmp_path) == 2, timeout=30)
    (tmp_path / "go").touch()
    assert first.get(timeout=30) != second.get(timeout=30)


def test_control_jobs_of_other_queues_bring_no_children(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "--autoscale", "4,1", "-Q", "default")
    path = str(tmp_path / "go")
    for _ in range(5):
        tasks.hold.apply_async((path,), queue="other")
    ours = [tasks.hold.delay(path) for _ in range(2)]
    eventually(lambda: at_work(tmp_path) == 2, timeout=30)
    (tmp_path / "go").touch()
    assert len({result.get(timeout=30) for result in ours}) == 2
    assert "instead of 2" not in handle.log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_idle_children_go_after_half_a_minute(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "--autoscale", "3,1")
    path = str(tmp_path / "go")
    results = [tasks.hold.delay(path) for _ in range(3)]
    eventually(lambda: at_work(tmp_path) == 3, timeout=30)
    # Two end, one goes on: only idle children go.
    (tmp_path / "go").touch()
    [result.get(timeout=30) for result in results]
    busy = tasks.hold.delay(str(tmp_path / "end"))
    eventually(lambda: len(handle.children()) == 1, timeout=90)
    assert busy.state == "STARTED"
    (tmp_path / "end").touch()
    assert busy.get(timeout=30) in handle.children()
    assert "child_lost" not in handle.log.read_text()


def test_the_default_number_is_that_of_the_processors_left_to_it(tasks: Any, tmp_path: Path) -> None:
    code = "import pyqueue._core; print(pyqueue._core.usable_cpus())"
    one = min(os.sched_getaffinity(0))
    shown = subprocess.run(
        ["taskset", "-c", str(one), sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert shown == "1\n"
    assert 1 <= _core.usable_cpus() <= len(os.sched_getaffinity(0))


def test_the_setting_and_the_report_know(
    tasks: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYQUEUE_AUTOSCALE", "3,2")
    with tasks.app.worker():
        [one] = tasks.app.store.workers()
        assert one.slots == 3
    with tasks.app.worker(concurrency=1):
        [one] = tasks.app.store.workers()
        assert one.slots == 1
    assert main(["config"]) == 0
    assert "autoscale             3, 2\n" in capsys.readouterr().out
    assert main(["report", "--json", "--db", "jobs.db"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"]["usable_cpus"] == _core.usable_cpus()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--autoscale", "2,4"], "'2,4' is not MAX,MIN: two numbers such as 10,2"),
        (["--autoscale", "many"], "'many' is not MAX,MIN"),
        (["--autoscale", "4000,1"], "at most 1,024"),
        (["--autoscale", "4,2", "-c", "3"], "say either --autoscale MAX,MIN or -c"),
        (["--autoscale", "4,2", "-P", "threads"], "--autoscale is for the pool prefork"),
    ],
)
def test_bad_numbers_are_refused(refused: Refused, options: list[str], said: str) -> None:
    assert said in refused(options)
