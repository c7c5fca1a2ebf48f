"""Workers and children killed all the time: every job ends, and succeeds once."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from checking import faults
from processes import Worker, send, write_app

from pyqueue import PyQueue

APP = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal", visibility_timeout=2)
ran = os.open(f"ran-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@app.task(bind=True)
def note(self):
    os.write(ran, f"{self.request.id} {self.request.attempt}\\n".encode())
    time.sleep(0.003)
"""

JOBS = 1_200
EVERY = 0.1
WITHIN = 45.0


def left(app: PyQueue) -> int:
    """Jobs that have not ended."""
    return sum(queue.waiting + queue.delayed + queue.parked + queue.running for queue in app.store.queues())


def cut(app: PyQueue, folder: Path, stack: ExitStack) -> Counter[str]:
    """Kills a child or a worker each 100 ms until no job is left, if a job has ended since; how many of each."""
    chance = random.Random(7)
    workers = [stack.enter_context(Worker(folder, "-c", "2")) for _ in range(2)]
    for each in workers:
        each.wait_ready()
    kills: Counter[str] = Counter()
    end = time.monotonic() + WITHIN
    last = JOBS + 1
    while now := left(app):
        assert time.monotonic() < end, [each.log.read_text()[-1500:] for each in workers]
        time.sleep(EVERY)
        # On a busy machine a worker may take longer to start than it has until its turn to be killed.
        if now == last:
            continue
        last = now
        number = chance.randrange(2)
        victims = workers[number].children
        if victims and chance.random() < 0.75:
            send(signal.SIGKILL, [chance.choice(victims)])
            kills["child"] += 1
        else:
            workers[number].kill()
            workers[number] = stack.enter_context(Worker(folder, "-c", "2"))
            kills["worker"] += 1
    return kills


@pytest.mark.timeout(90)
def test_every_acknowledged_job_succeeds_once_whoever_is_killed(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    ids = [result.id for result in app.enqueue_many([app.signature("app.note")] * JOBS)]
    with ExitStack() as stack:
        kills = cut(app, tmp_path, stack)
    assert faults(tmp_path / "jobs.db", ids) == []
    histories = {id: [attempt.outcome for attempt in app.store.attempts(id)] for id in ids}
    odd = {id: outcomes for id, outcomes in histories.items() if outcomes.count("success") != 1}
    assert odd == {}
    lost = sum(outcomes.count("lost") for outcomes in histories.values())
    print(f"{kills['child']} children and {kills['worker']} workers killed, {lost} attempts lost")
    assert lost > 0, "no kill has hit a running job"
    assert {app.store.view(id).state for id in ids} == {"success"}
    # What really ran: each job, and no attempt twice.
    ran = Counter(line for file in tmp_path.glob("ran-*") for line in file.read_text().splitlines())
    assert {line.split()[0] for line in ran} == set(ids)
    assert [line for line, times in ran.items() if times > 1] == []
    [status] = app.store.queues()
    assert (status.waiting, status.running, status.succeeded) == (0, 0, JOBS), json.dumps(histories)[:500]
