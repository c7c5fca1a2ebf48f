from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOURCE = """
import os, sys, time
from pyqueue import PyQueue

app = PyQueue("jobs.db", visibility_timeout=5)

class Oops(Exception):
    def __init__(self, code):
        self.code = code
        super().__init__(f"code {code}")

@app.task
def add(x, y): return x + y

@app.task
def oops(code): raise Oops(code)

@app.task(bind=True, max_retries=3, autoretry_for=(OSError,), retry_backoff=0.01)
def third_time(self):
    if self.request.retries < 2: raise OSError("not yet")
    return self.request.retries

@app.task
def leave(): sys.exit(3)

@app.task
def die_once(path):
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), 9)
    return "alive"

@app.task
def hold(path):
    open(path + ".started", "w").close()
    while not os.path.exists(path): time.sleep(0.005)
    return os.getpid()

@app.task
def stdin_is_empty(): return sys.stdin.read() == ""

@app.task
def say(text): print(text)

@app.task
def nested(): return add.delay(1, 2).get(timeout=5)

@app.task
def enqueue(): return add.delay(1, 2).id

@app.task(time_limit=0.3)
def stuck(): time.sleep(60)
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


def test_a_task_goes_there_and_its_result_comes_back(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2")
    assert tasks.add.delay(2, 3).get(timeout=5) == 5
    with pytest.raises(tasks.Oops, match="code 7") as caught:
        tasks.oops.delay(7).get(timeout=5)
    assert caught.value.code == 7
    assert tasks.add.chunks([(n, n) for n in range(5)], 2).delay().get(timeout=5) == [[0, 2], [4, 6], [8]]
    assert tasks.third_time.delay().get(timeout=5) == 2
    assert tasks.stdin_is_empty.delay().get(timeout=5) is True


def test_the_ten_line_script_and_its_worker_agree(tmp_path: Path, worker: Worker) -> None:
    (tmp_path / "app.py").write_text(
        "from pyqueue import PyQueue\n"
        "app = PyQueue('jobs.db')\n"
        "class Oops(Exception): pass\n"
        "@app.task\n"
        "def add(x, y): return x + y\n"
        "@app.task\n"
        "def oops(): raise Oops('no')\n"
        "if __name__ == '__main__':\n"
        "    print(add.name, add.delay(2, 3).get(timeout=5))\n"
        "    try: oops.delay().get(timeout=5)\n"
        "    except Oops as error: print(repr(error))\n"
    )
    worker("--db", "jobs.db", "-c", "1")
    output = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=20
    ).stdout
    assert output == "app.add 5\nOops('no')\n"


def test_a_task_that_leaves_fails_and_its_child_goes_on(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1")
    children = handle.children()
    result = tasks.leave.delay()
    assert str(result.get(timeout=5, propagate=False)).startswith("builtins.SystemExit")
    assert tasks.add.delay(2, 3).get(timeout=5) == 5
    assert handle.children() == children


def test_a_job_whose_child_dies_is_run_again_and_the_history_shows_it(
    tasks: Any, worker: Worker, tmp_path: Path
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    result = tasks.die_once.delay(str(tmp_path / "mark"))
    assert result.get(timeout=10) == "alive"
    assert [(each.number, each.outcome) for each in result.attempts()] == [(1, "lost"), (2, "success")]


def test_the_hard_limit_kills_the_child(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    result = tasks.stuck.delay()
    result.get(timeout=10, propagate=False)
    assert result.state == "FAILURE"
    assert tasks.add.delay(2, 3).get(timeout=5) == 5
    again = tasks.app.AsyncResult(tasks.app.store.replay(result.id))
    assert "time limit of 0.3 s" in str(again.get(timeout=10, propagate=False)), (
        "it is replayed with its limit"
    )


def test_get_inside_a_task_warns_and_another_slot_serves_it(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "2")
    assert tasks.nested.delay().get(timeout=10) == 3
    text = handle.log.read_text()
    assert text.count("RuntimeWarning") == 1
    assert "in its own slot" in text
    inner = tasks.app.AsyncResult(tasks.enqueue.delay().get(timeout=5))
    assert inner.get(timeout=5) == 3


def test_what_a_task_prints_is_left_alone(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1")
    tasks.say.delay("hello there").get(timeout=5)
    handle.wait_said(b"hello there\n")


def test_only_its_queues_are_worked(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "-Q", "mail, sms")
    other = tasks.add.delay(1, 1)
    assert tasks.add.apply_async((2, 2), queue="sms").get(timeout=5) == 4
    assert other.state == "PENDING"


def test_an_idle_worker_does_not_use_its_grace_to_end(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "2", "--grace", "60")
    assert handle.stop(signal.SIGINT) == 0


def test_a_warm_stop_lets_the_job_finish(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1")
    gate = tmp_path / "gate"
    result = tasks.hold.delay(str(gate))
    eventually(Path(f"{gate}.started").exists)
    # The whole group is signalled, as a terminal and a service manager do.
    for pid in (handle.pid, *handle.children()):
        os.kill(pid, signal.SIGTERM)
    later = tasks.add.delay(1, 1)
    gate.touch()
    assert handle.process.wait(10) == 0
    assert isinstance(result.get(timeout=1), int)
    assert [each.outcome for each in result.attempts()] == ["success"]
    assert later.state == "PENDING"


def test_the_second_signal_kills(tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1")
    result = tasks.hold.delay(str(tmp_path / "gate"))
    eventually((tmp_path / "gate.started").exists)
    children = handle.children()
    handle.process.send_signal(signal.SIGINT)
    time.sleep(0.2)  # two signals at once would be one
    start = time.monotonic()
    assert handle.stop(signal.SIGINT) == 1
    assert time.monotonic() - start < 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert result.state in ("PENDING", "RETRY")


def test_a_worker_that_says_it_is_ready_works(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2")
    assert tasks.add.delay(1, 1).get(timeout=5) == 2


def test_burst_ends_when_no_job_may_start(tasks: Any, worker: Worker) -> None:
    results = tasks.app.enqueue_many(tasks.add.s(n, n) for n in range(20))
    handle = worker("-A", tasks.__project__.file.name, "-c", "2", "--burst", ready=False)
    assert handle.process.wait(20) == 0
    assert [result.get(timeout=0) for result in results] == [2 * n for n in range(20)]


def test_a_killed_worker_takes_its_children_along_and_another_does_the_job(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    first = worker("-A", tasks.__project__.file.name, "-c", "1")
    gate = tmp_path / "gate"
    result = tasks.hold.delay(str(gate))
    eventually(Path(f"{gate}.started").exists)
    children = first.children()
    first.process.kill()
    first.process.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 2)
    worker("-A", tasks.__project__.file.name, "-c", "1")
    gate.touch()
    assert isinstance(result.get(timeout=10), int)
    assert [each.outcome for each in result.attempts()] == ["lost", "success"]
