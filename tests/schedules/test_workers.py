"""Real workers and ``pyqueue beat``: schedules are fired while some of them die, each time once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import Started, until, write_app

from pyqueue import PyQueue
from pyqueue.schedules import crontab

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.periodic_task({every}, catch_up="all", name="often")
@app.task
def often():
    pass
"""


def pyqueue(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pyqueue", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def worker(folder: Path, *words: str) -> Started:
    return Started(folder, "-P", "-m", "pyqueue", "worker", "-A", "app.py", "-c", "1", *words)


def fired(folder: Path) -> int:
    if not (folder / "jobs.db").exists():
        return 0
    app = PyQueue(folder / "jobs.db")
    try:
        return sum(each.fired for each in app.schedules)
    finally:
        app.store.close()


def times_made(folder: Path) -> Counter[str]:
    """Of every job, waiting or ended: for which time it was made. The history keeps no calls, so none may run."""
    connection = sqlite3.connect(folder / "jobs.db")
    try:
        bodies = connection.execute("SELECT payload FROM pyqueue_job WHERE payload IS NOT NULL")
        return Counter(json.loads(body)["headers"]["scheduled_for"] for (body,) in bodies)
    finally:
        connection.close()


def test_a_worker_fires_what_its_code_says_and_runs_it(tmp_path: Path) -> None:
    write_app(tmp_path, APP.format(every=0.2))
    with worker(tmp_path, "-B") as one:
        app = PyQueue(tmp_path / "jobs.db")
        until(lambda: fired(tmp_path) >= 3)
        until(lambda: app.store.jobs(state="success"))
        assert "every worker fires schedules" in one.log.read_text()
        os.kill(one.pid, signal.SIGTERM)
        assert one.wait(20) == 0


@pytest.mark.timeout(120)
def test_of_three_that_are_killed_again_and_again_each_time_has_one_job(tmp_path: Path) -> None:
    write_app(tmp_path, APP.format(every=0.02))
    killed = 0
    with ExitStack() as stack:
        # Beats run no jobs: every call stays in the file.
        beats = [stack.enter_context(beat(tmp_path)) for _ in range(3)]
        for each in beats:
            each.wait_said("beat ready")
        for _ in range(6):
            goal = fired(tmp_path) + 20
            until(lambda goal=goal: fired(tmp_path) >= goal)
            beats.pop(0).kill()
            killed += 1
            beats.append(stack.enter_context(beat(tmp_path)))
        beats[-1].wait_said("beat ready")
        for each in beats:
            os.kill(each.pid, signal.SIGTERM)
        assert [each.wait(20) for each in beats] == [0, 0, 0]
    made = times_made(tmp_path)
    (row,) = PyQueue(tmp_path / "jobs.db").schedules
    assert row.last is not None
    print(f"{killed} killed, {len(made)} times, {row.skipped} left out")
    assert set(made.values()) == {1}
    assert len(made) == row.fired >= 100


def beat(folder: Path) -> Started:
    return Started(folder, "-P", "-m", "pyqueue", "beat", "-A", "app.py", "-l", "warning")


def test_the_commands(tmp_path: Path) -> None:
    write_app(tmp_path, APP.format(every=3_600))
    with beat(tmp_path) as one:
        one.wait_said("beat ready")
        assert "1 schedule" in one.out.read_text()
        assert "every 3600 s" in pyqueue(tmp_path, "schedule", "list")
        id = pyqueue(tmp_path, "schedule", "run", "often").strip()
        assert json.loads(pyqueue(tmp_path, "schedule", "list", "--json"))["schedules"][0]["job"] == id
        assert pyqueue(tmp_path, "schedule", "pause", "often") == "schedule often is paused\n"
        assert "paused" in pyqueue(tmp_path, "schedule", "list")
        assert pyqueue(tmp_path, "schedule", "resume", "often") == "schedule often goes on\n"
        listed = json.loads(pyqueue(tmp_path, "schedule", "next", "often", "--limit", "3", "--json"))["times"]
        assert len(listed) == 3
        assert pyqueue(tmp_path, "schedule", "remove", "often") == "schedule often is removed\n"
        assert pyqueue(tmp_path, "schedule", "list") == "no schedules\n"
        # A change wakes the sleeper: its next look would be in an hour.
        PyQueue(tmp_path / "jobs.db").schedules.add("soon", 0.1, "app.often")
        until(lambda: fired(tmp_path) > 0)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("pause", "nothing"), 69, "there is no schedule nothing"),
        (("next", "nothing"), 69, "there is no schedule nothing"),
        (("run",), 64, "say which"),
        (("next", "--from", "tomorrow"), 64, "is no time"),
        (("fly", "often"), 64, "invalid choice"),
    ],
)
def test_wrong_use_ends_in_a_sentence(tmp_path: Path, words: tuple[str, ...], code: int, told: str) -> None:
    app = PyQueue(tmp_path / "jobs.db")
    app.store.enqueue([])
    app.store.queues()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pyqueue", "schedule", *words, "--db", "jobs.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("hours", "more"), [(2, ""), (4, "pyqueue: more times come before the end; --limit shows them\n")]
)
def test_times_that_have_no_room_are_told_of(tmp_path: Path, hours: int, more: str) -> None:
    PyQueue(tmp_path / "jobs.db").schedules.add("quarter", crontab(minute="*/15"), "t")
    words = ("--from", "2027-03-28T00:00", "--to", f"2027-03-28T{hours:02}:00", "--limit", "8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pyqueue", "schedule", "next", "quarter", *words, "--db", "jobs.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 9, more)


def test_a_schedule_that_can_t_be_had_keeps_a_worker_from_starting(tmp_path: Path) -> None:
    write_app(tmp_path, APP.format(every=0))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pyqueue", "worker", "-A", "app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 64
    assert done.stderr.strip() == (
        "pyqueue: schedule often: an interval is a number of seconds or a timedelta of 0.01 s or more, not 0"
    )


def test_no_beat_fires_nothing(tmp_path: Path) -> None:
    write_app(tmp_path, APP.format(every=0.05))
    with beat(tmp_path) as one:
        until(lambda: fired(tmp_path) >= 1)
        os.kill(one.pid, signal.SIGTERM)
        one.wait(20)
    count = fired(tmp_path)
    with worker(tmp_path, "--no-beat") as two:
        two.wait_said("ready")
        app = PyQueue(tmp_path / "jobs.db")
        job = app.send_task("app.often")
        job.get(timeout=20)
    assert fired(tmp_path) == count


EMBEDDED = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.periodic_task(0.1)
@app.task
def often():
    pass

if __name__ == "__main__":
    import threading
    with app.worker(concurrency=1):
        while not any(each.fired > 2 for each in app.schedules):
            pass
    assert not [each.name for each in threading.enumerate() if each.name == "pyqueue-schedules"]
    print("done")
"""


def test_an_embedded_worker_fires_and_stops(tmp_path: Path) -> None:
    write_app(tmp_path, EMBEDDED)
    with Started(tmp_path, "app.py") as script:
        assert script.wait(30) == 0, script.log.read_text()
        assert "done" in script.out.read_text()
