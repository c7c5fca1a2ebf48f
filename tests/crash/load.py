"""The tasks of the chaos: each writes its start and its end. Loaded by the workers' children."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from events import Recorder

from pyqueue import PyQueue
from pyqueue.exceptions import LeaseLost

app = PyQueue("jobs.db", embed=True)
EVENTS = Path(os.environ.get("CRASH_EVENTS", "."))
DEADLY = 2
TWICE = os.environ.get("CRASH_BREAK") == "start-twice"
APART = os.environ.get("CRASH_BREAK") == "effect-apart"
_recorder: Recorder | None = None


def record(*event: object) -> None:
    """The file is made by the first job: the supervisor, which loads this too, writes nothing."""
    global _recorder  # noqa: PLW0603
    if _recorder is None:
        _recorder = Recorder(EVENTS, "child")
    _recorder(*event)  # type: ignore[arg-type]


def token_of(task: Any) -> int:
    """The token of the lease: users are not shown it, and the checker has to know it."""
    return int(task.request.report.args[0].job.token)


def begin(task: Any, tag: str) -> tuple[str, int]:
    request, token = task.request, token_of(task)
    record("start", "ok", request.id, tag, token, request.attempt, task.max_losses)
    if TWICE and random.random() < 0.001:
        start_again(request.id, tag, token, request.attempt, task.max_losses)
    return request.id, token


def start_again(*facts: object) -> None:
    """The control arm: the same attempt is started once more, by hand, while it runs."""
    second = Recorder(EVENTS, "second")
    second("start", "ok", *facts)
    second("end", "ok", facts[0], facts[2])
    second.close()


@app.task(bind=True)
def work(self: Any, tag: str) -> str:
    id, token = begin(self, tag)
    record("end", "ok", id, token)
    return tag


@app.task(bind=True)
def nap(self: Any, tag: str) -> None:
    id, token = begin(self, tag)
    time.sleep(random.random() / 100)
    record("end", "ok", id, token)


@app.task(bind=True)
def tell(self: Any, tag: str) -> None:
    """Writes to the file from inside of the job."""
    id, token = begin(self, tag)
    progress(self, id, token)
    record("end", "ok", id, token)


def progress(task: Any, id: str, token: int) -> None:
    record("progress", "invoke", id, token)
    try:
        task.update_state(state="HALF", meta={"done": 0.5})
        record("progress", "ok", id, token)
    except LeaseLost:
        record("progress", "fail", id, token)


@app.task(bind=True, max_retries=1, default_retry_delay=0.01)
def fail_once(self: Any, tag: str) -> None:
    id, token = begin(self, tag)
    record("end", "ok", id, token)
    if self.request.retries == 0:
        raise self.retry()


@app.task(bind=True, max_losses=DEADLY)
def die(self: Any, tag: str) -> None:
    """Poison."""
    begin(self, tag)
    record("kill", "invoke", os.getpid(), "itself")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True, max_retries=None, default_retry_delay=0.01)
def book(self: Any, tag: str) -> None:
    """Its row, its end and its result in one commit; one attempt in eight thinks better of it after the row."""
    id, token = begin(self, tag)
    record("transaction", "invoke", id)
    row = ("INSERT INTO booked(job, token) VALUES (?, ?)", (id, token))
    if APART:
        # The control arm: a commit of its own, and a moment in which to be killed.
        with closing(sqlite3.connect("jobs.db", timeout=30, isolation_level=None)) as own:
            own.execute(*row)
        time.sleep(random.random() / 100)
    with self.transaction() as db:
        if not APART:
            db.execute(*row)
        # Before the commit: who is killed right after it says nothing any more.
        record("end", "ok", id, token)
        if random.random() < 1 / 8:
            raise self.retry()


@app.task(bind=True, max_losses=1_000)
def hold(self: Any, tag: str) -> None:
    """Its first attempt runs until it is killed, the next end at once."""
    id, token = begin(self, tag)
    while self.request.attempt == 1:
        time.sleep(1)
    record("end", "ok", id, token)


@app.task(bind=True)
def knock(self: Any, tag: str) -> int:
    """Waits for the door of its process, then writes to the file while it runs and when it ends."""
    id, token = begin(self, tag)
    while not Path(f"door-{os.getpid()}").exists():
        time.sleep(0.005)
    progress(self, id, token)
    record("end", "ok", id, token)
    return os.getpid()
