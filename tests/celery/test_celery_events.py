"""The events of Celery and ours have the same names and the same fields, but for those that are named here."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from on_redis import celery_app, working

# Celery and kombu warn of what is theirs to change.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(
        shutil.which("redis-server") is None and os.environ.get("CI") != "true",
        reason="redis-server is not installed (CI=true makes this a failure)",
    ),
]

TYPES = ("task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "task-retried")
THEIRS = {"local_received", "exchange", "routing_key"}
"""Fields that ours have not: of their own transport."""


def declare(app: Any) -> dict[str, Any]:
    @app.task(name="shop.add")
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(name="shop.fail", bind=True, max_retries=1, default_retry_delay=0)
    def fail(self: Any) -> None:
        raise self.retry(exc=ValueError("no")) if self.request.retries == 0 else ValueError("no")

    return {"add": add, "fail": fail}


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[dict[str, dict[str, Any]]]:
    with celery_app("shop", tmp_path) as app:
        app.conf.update(task_send_sent_event=True, worker_send_task_events=True, task_track_started=True)
        tasks, found, heard = declare(app), {}, threading.Event()

        def take(event: dict[str, Any]) -> None:
            found.setdefault(event["type"], event)
            receiver.should_stop = set(TYPES) <= set(found)

        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": take})
            receiver.on_consume_ready = lambda *_, **__: heard.set()
            thread = threading.Thread(target=receiver.capture, kwargs={"timeout": 20, "wakeup": False})
            thread.start()
            assert heard.wait(10)
            with working(app):
                tasks["add"].delay(1, 2)
                tasks["fail"].delay()
                thread.join()
        yield found


def ours(folder: Path) -> dict[str, dict[str, Any]]:
    from pyqueue import PyQueue
    from pyqueue._core import Events
    from pyqueue.worker.run_job import run_job

    app = PyQueue(folder / "jobs.db", durability="normal")
    tasks = declare(app)
    Events(app.store).until(1 << 62)
    worker = app.store.join("w1", 1, 60_000_000)
    tasks["add"].delay(1, 2)
    tasks["fail"].delay()
    found: dict[str, dict[str, Any]] = {}
    for _ in range(3):
        [job] = app.store.claim(worker, 1)
        # Arguments are told as long as the job is there.
        found = {event["type"]: event for event in app.events()} | found
        app.store.finish([(job, run_job(app, job, "w1"))])
    return {event["type"]: event for event in app.events()} | found


@pytest.mark.timeout(120)
def test_names_and_fields(tmp_path: Path, theirs: dict[str, dict[str, Any]]) -> None:
    own = ours(tmp_path)
    # A start that no child has noted is not told; that it is told is seen by real workers elsewhere.
    told = [name for name in TYPES if name != "task-started"]
    assert set(told) <= set(own)
    assert set(TYPES) <= set(theirs)
    for name in told:
        missing = set(theirs[name]) - set(own[name]) - THEIRS
        assert missing == set(), name
        for field in ("type", "uuid", "exception", "args", "kwargs", "name"):
            if field in theirs[name]:
                assert type(theirs[name][field]) is type(own[name][field]), (name, field)
    assert own["task-failed"]["exception"] == theirs["task-failed"]["exception"]
    assert own["task-succeeded"]["result"] == theirs["task-succeeded"]["result"]
