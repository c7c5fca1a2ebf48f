"""Several processes commit, followers die and go on: each event once, in the order of commits."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue, events
from pyqueue._core import Failure, InvalidJob, Job, Outcome

PROCESSES, JOBS = 3, 200
APP = """
import sys
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")
@app.task(max_retries=1, autoretry_for=(ValueError,), retry_backoff=False, default_retry_delay=0)
def work(n):
    if n % 10 == 3:
        raise ValueError(n)
    return n
if __name__ == "__main__":
    for n in range(int(sys.argv[1])):
        work.delay(n)
"""
FOLLOWER = """
import json, sys
from pyqueue import PyQueue
app = PyQueue("jobs.db")
print("ready", flush=True)
for event in app.events(after=sys.argv[1], follow=True):
    print(json.dumps(event), flush=True)
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def run(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *command], cwd=folder, stdout=subprocess.DEVNULL)


class Following:
    """A process that follows, is killed again and again, and goes on behind the last event that it has shown."""

    def __init__(self, folder: Path, after: str, patience: int) -> None:
        self.folder, self.after, self.patience = folder, after, patience
        self.events: list[dict[str, Any]] = []
        self.kills = 0
        self.ready = threading.Event()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.follow)

    def follow(self) -> None:
        while not self.done.is_set():
            process = subprocess.Popen(
                [sys.executable, "-c", FOLLOWER, self.after],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            stop = threading.Thread(target=lambda process=process: (self.done.wait(), process.kill()))
            stop.start()
            for count, line in enumerate(process.stdout):
                if line == "ready\n":
                    self.ready.set()
                    continue
                event = json.loads(line)
                self.events.append(event)
                self.after = event["cursor"]
                if ends_of(self.events) == expected_ends():
                    self.done.set()
                if count == self.patience:
                    os.kill(process.pid, signal.SIGKILL)
                    self.kills += 1
                    break
            process.stdout.close()
            process.kill()
            process.wait()


def expected_ends() -> int:
    return PROCESSES * JOBS


def ends_of(events: list[dict[str, Any]]) -> int:
    return sum(event["type"] in ("task-succeeded", "task-failed") for event in events)


def faults(events: list[dict[str, Any]], commits: list[str]) -> list[str]:
    """What is wrong with what a follower was told. ``commits``: the ids of the ends as the history has them."""
    found = []
    told = Counter((event["type"], event.get("uuid"), event.get("retries")) for event in events)
    found += [f"twice: {each}" for each, count in told.items() if count > 1 and each[1]]
    clocks = [event["clock"] for event in events]
    found += [f"clock {a} before {b}" for a, b in itertools.pairwise(clocks) if a >= b]
    by_job: dict[str, list[str]] = {}
    for event in events:
        if event.get("uuid") is not None:
            by_job.setdefault(event["uuid"], []).append(event["type"].removeprefix("task-"))
    life = ["sent", "received", "started"]
    for job, types in by_job.items():
        again = ["retried", *life[1:]] if "retried" in types else []
        if types[:-1] != life + again or types[-1] not in ("succeeded", "failed"):
            found.append(f"job {job}: {types}")
    ends = ("task-succeeded", "task-failed", "task-retried")
    if [event["uuid"] for event in events if event["type"] in ends] != commits:
        found.append("the ends are not in the order of commits")
    if any(event["type"] == "events-missed" for event in events):
        found.append("some are missing")
    if len(by_job) != PROCESSES * JOBS:
        found.append(f"{len(by_job)} jobs")
    return found


@pytest.mark.timeout(120)
def test_each_event_once_in_the_order_of_commits_over_kills_of_the_follower(
    tmp_path: Path, app: PyQueue
) -> None:
    following = Following(tmp_path, _now(app), patience=400)
    following.thread.start()
    assert following.ready.wait(20)
    _wait_until_asked(tmp_path)
    senders = [run(tmp_path, "app.py", str(JOBS)) for _ in range(PROCESSES)]
    workers = [run(tmp_path, "-m", "pyqueue", "worker", "-c", "1") for _ in range(2)]
    try:
        assert [sender.wait(60) for sender in senders] == [0] * PROCESSES
        assert following.done.wait(60)
    finally:
        following.done.set()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(20)
        following.thread.join(20)
    events = [event for event in following.events if event["type"] != "events-missed" or event["missed"]]
    with sqlite3.connect(tmp_path / "jobs.db") as file:
        commits = [id for (id,) in file.execute("SELECT id FROM pyqueue_runs_v1 ORDER BY number")]
    assert following.kills >= 3
    assert faults(events, commits) == []
    # The checker notices what it is there for.
    of_jobs = [at for at, event in enumerate(events) if "uuid" in event]
    middle = of_jobs[len(of_jobs) // 2]
    assert faults(events[:middle] + events[middle + 1 :], commits) != []
    assert faults([*events[: middle + 1], *events[middle:]], commits) != []
    assert (
        faults([*events[:middle], events[middle + 1], events[middle], *events[middle + 2 :]], commits) != []
    )


def _now(app: PyQueue) -> str:
    from pyqueue._core import Events

    return Events(app.store).cursor(newest=True)


def _wait_until_asked(folder: Path) -> None:
    with sqlite3.connect(folder / "jobs.db") as file:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if file.execute("SELECT 1 FROM pyqueue_meta WHERE name='events_until'").fetchone():
                return
            time.sleep(0.01)
    raise AssertionError("nobody asks")


def test_what_is_kept_is_told_without_anybody_who_followed(tmp_path: Path, app: PyQueue) -> None:
    job = app.send_task("app.work", (3,))
    assert run(tmp_path, "-m", "pyqueue", "worker", "--burst", "-c", "1").wait(30) == 0
    events = list(app.events())
    assert [event["type"] for event in events] == [
        "task-started",
        "task-retried",
        "task-started",
        "task-failed",
    ]
    assert {event["uuid"] for event in events} == {job.id}
    assert [event["type"] for event in app.events(types=["task-failed"])] == ["task-failed"]
    assert [event["type"] for event in app.events(after=events[2]["cursor"])] == ["task-failed"]
    failed = events[3]
    assert (failed["exception"], failed["retries"]) == ("ValueError('3')", 1)
    assert failed["traceback"].startswith("Traceback")


def test_who_follows_with_a_timeout_comes_back(app: PyQueue) -> None:
    assert list(app.events(follow=True, timeout=0)) == []
    app.control.enable_events()
    sent = [app.send_task("app.work", (n,)).id for n in range(3)]
    told = [each.get("uuid") for each in app.events("start", ["task-sent"], follow=True, timeout=0.01)]
    assert [each for each in told if each is not None] == sent


def test_a_cursor_of_another_file_is_refused(tmp_path: Path, app: PyQueue) -> None:
    other = PyQueue(tmp_path / "other.db")
    with pytest.raises(InvalidJob, match="cursor"):
        next(app.events(after=_now(other)))
    with pytest.raises(InvalidJob, match="task-lost"):
        next(app.events(types=["task-lost"]))


def test_secrets_are_masked_and_long_values_cut(app: PyQueue) -> None:
    following = app.events(follow=True)
    told: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: told.append(next(following)))
    thread.start()
    while not told:
        # Until one is sent after the wish.
        app.send_task("app.work", ("x" * 5000,), {"password": "secret"})
        thread.join(0.05)
    thread.join(20)
    assert told[0]["type"] == "task-sent"
    assert (len(told[0]["args"]), told[0]["kwargs"]) == (1024, "{'password': '***'}")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Sydney"])
def test_an_offset_is_celerys(tmp_path: Path, app: PyQueue, zone: str) -> None:
    pytest.importorskip("celery")
    app.control.enable_events()
    app.send_task("app.work", (1,))
    code = (
        "from celery.utils.time import utcoffset; from pyqueue import PyQueue\n"
        "assert {each['utcoffset'] for each in PyQueue('jobs.db').events()} == {utcoffset()}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "TZ": zone}, check=False, timeout=60
    )
    assert done.returncode == 0


def test_a_time_that_no_datetime_can_be_stops_nobody(tmp_path: Path, app: PyQueue) -> None:
    app.control.enable_events()
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection, connection:
        body = b'{"v":1,"args":[],"kwargs":{}}'
        connection.execute(
            "INSERT INTO pyqueue_inbox(task, body, run_at) VALUES('far', ?, ?)", [body, 3 * 10**17]
        )
    app.send_task("app.work", (1,), countdown=60)
    app.store.fold()
    etas = {each["name"]: each["eta"] for each in app.events(types=["task-sent"]) if "name" in each}
    assert etas["far"] is None
    assert etas["app.work"] is not None


def test_who_follows_for_long_is_told_still(
    tmp_path: Path, app: PyQueue, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    monkeypatch.setattr(events, "_LEASE_US", 2_000_000)
    monkeypatch.setattr(events, "_RENEWED", 0.1)
    told: list[dict[str, Any]] = []
    following = app.events(follow=True)

    def follow() -> None:
        while not any(each.get("queue") == "last" for each in told):
            told.append(next(following))

    def until_us() -> int:
        with closing(sqlite3.connect(tmp_path / "jobs.db")) as file:
            rows = file.execute("SELECT value FROM pyqueue_meta WHERE name='events_until'").fetchall()
        return int(rows[0][0]) if rows else 0

    thread = threading.Thread(target=follow)
    thread.start()
    app.store.queues()
    eventually(until_us)
    first = until_us()
    eventually(lambda: app.store.now_us() > first, 20)
    app.send_task("app.work", (1,), queue="last")
    thread.join(20)
    assert [each["type"] for each in told if each["type"] != "events-missed"] == ["task-sent"]


def test_how_a_job_left_is_told(app: PyQueue) -> None:
    worker = app.store.join("w", 1, 60_000_000)

    def claimed() -> Job:
        [job] = app.store.claim(worker, 1)
        return job

    stopped = app.send_task("stopped")
    job = claimed()
    assert stopped.revoke(terminate=True)
    app.store.finish([(job, Outcome.failure(Failure("E", "told to end")))])
    app.send_task("cancelled").revoke()
    app.send_task("late", expires=0.001)
    app.send_task("behind")
    time.sleep(0.01)
    job = claimed()
    assert job.task == "behind"
    app.store.finish([(job, Outcome.lost("its process was killed"))])
    told = {each["name"]: each for each in app.events() if each["type"] != "task-started"}
    shown = {
        name: (each["type"], each.get("terminated"), each.get("expired"), each.get("requeue"))
        for name, each in told.items()
    }
    assert shown == {
        "stopped": ("task-revoked", True, False, None),
        "cancelled": ("task-revoked", False, False, None),
        "late": ("task-revoked", False, True, None),
        "behind": ("task-rejected", None, None, True),
    }


def test_who_follows_keeps_what_somebody_else_gives_up(app: PyQueue) -> None:
    app.control.enable_events()
    following = app.events(follow=True)
    app.send_task("app.work", queue="first")
    told = [next(following)]
    app.control.disable_events()
    app.send_task("app.work", queue="second")
    told.append(next(following))
    assert [each["queue"] for each in told] == ["first", "second"]
