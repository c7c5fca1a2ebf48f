"""Slots of a queue's own: its jobs never wait behind others, and may use other slots too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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

@app.task
def pid(): return os.getpid()
"""
Worker = Callable[..., Any]
Refused = Callable[[list[str]], str]
Eventually = Callable[..., None]


def flooded(tasks: Any, folder: Path, queue: str, jobs: int, busy: int, eventually: Eventually) -> list[Any]:
    """Jobs that hold every slot they get, once so many are held."""
    path = str(folder / queue)
    results = [tasks.hold.apply_async((path,), queue=queue) for _ in range(jobs)]
    eventually(lambda: len(list(folder.glob(f"{queue}.*"))) == busy, timeout=20)
    return results


def test_its_jobs_do_not_wait_behind_others(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "3", "-Q", "mail:1,default", "-n", "w")
    assert "queues    mail (1 of its own), default\n" in handle.log.read_text()
    assert len(handle.children()) == 3
    results = flooded(tasks, tmp_path, "default", 6, 2, eventually)
    for _ in range(3):
        tasks.pid.apply_async(queue="mail").get(timeout=20)
    assert len(list(tmp_path.glob("default.*"))) == 2
    (tmp_path / "default").touch()
    assert len({result.get(timeout=20) for result in results}) == 2
    assert handle.stop() == 0


def test_control_without_a_number_they_wait(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "3", "-Q", "mail,default")
    flooded(tasks, tmp_path, "default", 6, 3, eventually)
    with pytest.raises(TimeoutError):
        tasks.pid.apply_async(queue="mail").get(timeout=1)
    (tmp_path / "default").touch()


def test_its_jobs_use_the_other_slots_too(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "3", "-Q", "mail:2,default")
    results = flooded(tasks, tmp_path, "mail", 3, 3, eventually)
    (tmp_path / "mail").touch()
    assert len({result.get(timeout=20) for result in results}) == 3


def test_all_slots_may_be_somebodys_own(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-Q", "mail:1,sms:2")
    assert len(handle.children()) == 3
    assert tasks.pid.apply_async(queue="sms").get(timeout=20) in handle.children()


def test_threads_and_an_embedded_worker_have_them_too(tasks: Any, tmp_path: Path) -> None:
    with tasks.app.worker(pool="threads", concurrency=5, queues=["mail:2", "default"], name="w"):
        shown = {each.name: (each.slots, each.children) for each in tasks.app.store.workers()}
        assert shown == {"w": (3, 1), "w/mail": (2, 1)}
        assert tasks.pid.delay().get(timeout=20)
        assert tasks.pid.apply_async(queue="mail").get(timeout=20)
    assert tasks.app.store.workers() == []


def test_status_shows_a_line_for_each(tasks: Any, worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "3", "-Q", "mail:1,default", "-n", "w")
    assert main(["status", "--db", "jobs.db", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["workers"]
    assert sorted((each["name"], each["slots"]) for each in shown) == [("w", 2), ("w/mail", 1)]
    assert handle.stop(signal.SIGINT) == 0


def test_one_that_cannot_start_ends_the_worker(tasks: Any, tmp_path: Path) -> None:
    file = tasks.__project__.file
    # The first child comes up, so that the other supervisor has none.
    first = "import os\nif 'PYQUEUE_SLOT' in os.environ: os.close(os.open('first', os.O_CREAT | os.O_EXCL))\n"
    file.write_text(first + file.read_text())
    ended = subprocess.run(
        [sys.executable, "-m", "pyqueue", "worker", "-A", file.name, "-c", "2", "-Q", "mail:1,default"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("children in a row could not start") == 1
    assert "FileExistsError" in ended.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-Q", "mail:3,default", "-c", "3"], "of 3 slots the queues have 3 for themselves"),
        (["-Q", "mail:9", "-c", "3"], "of 3 slots the queues have 9 for themselves"),
        (["-Q", "mail:0,default"], "mail:0 reserves no slot: say mail, or mail:1"),
        (["-Q", "mail:1,mail"], "the queue mail is named twice"),
        (["-Q", "mail:1,default", "--burst"], "--burst can't be had"),
        (["-Q", "mail:1,default", "-P", "solo"], "of 1 slots the queues have 1 for themselves"),
    ],
)
def test_bad_numbers_are_refused(refused: Refused, options: list[str], said: str) -> None:
    assert said in refused(options)
