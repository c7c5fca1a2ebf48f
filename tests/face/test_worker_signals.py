"""The signals of a worker and its children, and callbacks through the real pipe."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCE = """
import logging, os
from pyqueue import PyQueue, signals

app = PyQueue("jobs.db")

def note(signal, sender, **named):
    with open(signal.name, "a") as file:
        file.write(f"{sender} {sorted(named)} {named.get('how')} {named.get('pid') == os.getpid()}\\n")

for each in vars(signals).values():
    if isinstance(each, signals.Signal) and each.name.startswith("worker_"):
        each.connect(note)

@signals.setup_logging.connect
def quiet(loglevel, **_):
    logging.basicConfig(filename="mine.log", level=loglevel.upper(), format="mine: %(message)s")

@app.task
def add(x, y): return x + y

@app.task
def fail(): raise ValueError("no")

@app.task
def note_failure(id):
    return [id, str(app.AsyncResult(id).result)]
"""


def test_a_workers_life_is_heard(tasks: Any, tmp_path: Path, worker: Callable[..., Any]) -> None:
    handle = worker("-A", str(tasks.__project__.file), "-c", "2", "-n", "one")
    assert tasks.add.delay(1, 2).get(timeout=10) == 3
    assert handle.stop(signal.SIGTERM) == 0
    told = {path.name: path.read_text().splitlines() for path in tmp_path.glob("worker_*")}
    assert told.pop("worker_process_init") == ["None [] None False"] * 2
    assert told.pop("worker_process_shutdown") == ["None ['exitcode', 'pid'] None True"] * 2
    assert told == {
        "worker_init": ["one [] None False"],
        "worker_ready": ["one [] None False"],
        "worker_shutting_down": ["one ['exitcode', 'how', 'sig'] Warm False"],
        "worker_shutdown": ["one [] None False"],
    }


def test_setup_logging_replaces_ours(tasks: Any, tmp_path: Path, worker: Callable[..., Any]) -> None:
    handle = worker("-A", str(tasks.__project__.file), "-c", "1")
    tasks.fail.delay().get(timeout=10, propagate=False)
    handle.stop()
    assert "mine: " in (tmp_path / "mine.log").read_text()
    assert "ValueError: no" in (tmp_path / "mine.log").read_text()
    assert handle.log.read_text() == ""


def test_callbacks_go_through_a_worker(
    tasks: Any, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    worker("-A", str(tasks.__project__.file), "-c", "1")

    def only(name: str, count: int) -> Any:
        eventually(lambda: len(tasks.app.store.jobs(task=name)) == count)
        return tasks.app.AsyncResult(tasks.app.store.jobs(task=name, limit=1)[0].id)

    first = tasks.add.apply_async((1, 2), link=tasks.add.s(10))
    assert first.get(timeout=10) == 3
    assert only(tasks.add.name, 2).get(timeout=10) == 13
    failed = tasks.fail.apply_async(link_error=tasks.note_failure.s())
    assert failed.get(timeout=10, propagate=False).args == ("no",)
    assert only(tasks.note_failure.name, 1).get(timeout=10) == [failed.id, "no"]
