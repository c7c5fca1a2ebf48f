"""A job that kills its child again and again is given up, and no other job pays for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import until, worker, write_app

from pyqueue import PyQueue
from pyqueue._core import NewJob, Outcome, Store

APP = """
import os
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task
def die(): os.kill(os.getpid(), 9)

@app.task
def nop(): pass
"""

MAX_LOSSES = 5
NEIGHBOURS = 200


def test_a_job_that_kills_its_child_ends_dead_and_no_neighbour_is_charged(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    nop = app.signature("app.nop")
    with worker(tmp_path, "-c", "2"):
        calls = [nop] * (NEIGHBOURS // 2) + [app.signature("app.die")] + [nop] * (NEIGHBOURS // 2)
        results = app.enqueue_many(calls)
        killer = results.pop(NEIGHBOURS // 2)
        for result in results:
            result.get(timeout=20)
        until(lambda: app.store.view(killer.id).state == "dead", timeout=20, what="the job is given up")
    lost = [(attempt.number, attempt.outcome) for attempt in killer.attempts()]
    assert lost == [(number, "lost") for number in range(1, MAX_LOSSES + 1)]
    histories = [result.attempts() for result in results]
    assert all([attempt.outcome for attempt in history] == ["success"] for history in histories)
    assert max(history[0].number for history in histories) <= 2


@pytest.mark.parametrize(("charged", "state"), [(False, "waiting"), (True, "dead")])
def test_control_losses_that_are_not_charged_do_not_end_a_job(
    tmp_path: Path, charged: bool, state: str
) -> None:
    store = Store(str(tmp_path / "jobs.db"), durability="normal")
    [(id, _)] = store.enqueue([NewJob("app.die", b"[]", max_losses=MAX_LOSSES)])
    worker_id = store.join("worker", 1, 60_000_000)
    for _ in range(MAX_LOSSES):
        [job] = store.claim(worker_id, 1)
        store.finish([(job, Outcome.lost("its child was killed", charged))])
    assert store.view(id).state == state
    assert [attempt.outcome for attempt in store.attempts(id)] == ["lost"] * MAX_LOSSES
