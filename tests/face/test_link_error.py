"""``link_error`` follows every end in failure, also one that no process is left to speak of."""

from __future__ import annotations

import os
import signal
import sqlite3
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import EncodeError, InvalidJob

SOURCE = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db", visibility_timeout=5)

@app.task
def add(x, y): return x + y

@app.task(max_losses=1)
def die(): os.kill(os.getpid(), 9)

@app.task(time_limit=0.2)
def stuck(): time.sleep(60)

@app.task(max_losses=1)
def hold(path):
    open(path, "w").close()
    time.sleep(60)

@app.task(bind=True)
def note(self, *args):
    return [*args, self.request.parent_id, self.request.root_id]

@app.task
def begin(): return die.apply_async(link_error=note.s("inner")).id
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


def noted(tasks: Any, eventually: Eventually) -> list[Any]:
    """What the one job of ``note`` returned."""
    found = tasks.app.store.jobs
    eventually(lambda: found(task=tasks.note.name))
    [job] = found(task=tasks.note.name)
    return list(tasks.app.AsyncResult(job.id).get(timeout=10))


def damage(tasks: Any, body: bytes, checksum: int) -> None:
    connection = sqlite3.connect(tasks.__project__.db)
    with connection:
        connection.execute("UPDATE pyqueue_job SET payload=?, checksum=?", (body, checksum))
    connection.close()


@pytest.mark.parametrize(("name", "error"), [("die", "WorkerLostError"), ("stuck", "TimeLimitExceeded")])
def test_after_a_lost_process_and_after_the_hard_limit(
    tasks: Any, worker: Worker, eventually: Eventually, name: str, error: str
) -> None:
    worker("-A", str(tasks.__project__.file), "-c", "1")
    failed = getattr(tasks, name).apply_async(link_error=[tasks.note.s("why"), tasks.add.si(1, 2)])
    assert type(failed.get(timeout=20, propagate=False)).__name__ == error
    assert noted(tasks, eventually) == [failed.id, "why", failed.id, failed.id]
    [job] = tasks.app.store.jobs(task=tasks.add.name)
    assert tasks.app.AsyncResult(job.id).get(timeout=10) == 3


_NEWER = b'{"v": 99, "args": [], "kwargs": {}}'


@pytest.mark.parametrize(
    ("body", "checksum"),
    [(_NEWER, zlib.crc32(_NEWER)), (b"\xff", zlib.crc32(b"\xff")), (_NEWER, 1)],
    ids=["unknown version", "no message", "damaged"],
)
def test_after_a_message_that_can_not_be_read(
    tasks: Any, worker: Worker, eventually: Eventually, body: bytes, checksum: int
) -> None:
    failed = tasks.add.apply_async((1, 2), link_error=tasks.note.s())
    damage(tasks, body, checksum)
    worker("-A", str(tasks.__project__.file), "-c", "1")
    eventually(failed.ready)
    assert tasks.app.store.view(failed.id).state == "dead"
    assert noted(tasks, eventually) == [failed.id, failed.id, failed.id]


def test_after_its_whole_worker_was_killed(
    tasks: Any, worker: Worker, eventually: Eventually, tmp_path: Path
) -> None:
    first = worker("-A", str(tasks.__project__.file), "-c", "1")
    failed = tasks.hold.apply_async((str(tmp_path / "held"),), link_error=tasks.note.s(), task_id='mine "1"')
    eventually((tmp_path / "held").exists)
    os.kill(first.pid, signal.SIGKILL)
    worker("-A", str(tasks.__project__.file), "-c", "1")
    assert noted(tasks, eventually) == ['mine "1"'] * 3
    assert failed.state == "FAILURE"


def test_a_job_made_inside_a_job_keeps_the_root(tasks: Any, worker: Worker, eventually: Eventually) -> None:
    worker("-A", str(tasks.__project__.file), "-c", "1")
    outer = tasks.begin.delay()
    inner = outer.get(timeout=10)
    assert noted(tasks, eventually) == [inner, "inner", inner, outer.id]


def test_control_a_success_and_a_cancelled_job_call_nothing(tasks: Any, worker: Worker) -> None:
    waiting = tasks.add.apply_async((1, 1), countdown=3600, link_error=tasks.note.s())
    waiting.revoke()
    worker("-A", str(tasks.__project__.file), "-c", "1")
    assert tasks.add.apply_async((1, 2), link_error=tasks.note.s()).get(timeout=10) == 3
    assert tasks.app.store.jobs(task=tasks.note.name) == []


def test_what_is_stored_is_checked_at_the_call(app: PyQueue) -> None:
    note = app.task(name="note")(lambda *_: None)
    for wrong, error in ((note.s({1}), EncodeError), (note.s().set(queue=""), InvalidJob), (5, InvalidJob)):
        with pytest.raises(error):
            note.apply_async(link_error=wrong)
    assert app.store.jobs() == []


def test_its_times_are_counted_from_the_failure(app: PyQueue) -> None:
    fail = app.task(name="fail")(lambda: 1 / 0)
    noon = datetime.now(UTC) + timedelta(hours=1)
    fail.apply_async(
        max_losses=1,
        link_error=[fail.s().set(countdown=60, expires=0.001), fail.s().set(eta=noon, expires=noon)],
    )
    from pyqueue._core import Outcome

    store = app.store
    worker = store.join("test", 1, 30_000_000)
    [job] = store.claim(worker, 2)
    before = store.now_us()
    store.finish([(job, Outcome.lost("test"))])
    after = store.now_us()
    times = sorted(job.run_at_us or 0 for job in store.jobs(state="delayed"))
    assert before + 60_000_000 <= times[0] <= after + 60_000_000
    assert times[1] == int(noon.timestamp() * 1e6)
