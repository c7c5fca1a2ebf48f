"""While another connection holds the write lock, a worker still enforces time limits and obeys a stop."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path

from processes import Worker, alive, seconds_to_end, send, until, worker, write_app

from pyqueue import PyQueue

APP = """
import os, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task(time_limit=1)
def spin():
    Path(f"started-{os.getpid()}").touch()
    time.sleep(60)
"""

# Far above what the worker needs, far below the 30 s that a write waits for the lock.
WITHIN = 10.0


def spinning(folder: Path, started: Worker, app: PyQueue) -> int:
    """A job that overruns its limit has begun; its process."""
    app.send_task("app.spin", time_limit=1)
    until(lambda: list(folder.glob("started-*")), what="the job has begun")
    return int(next(folder.glob("started-*")).name.removeprefix("started-"))


def test_limits_and_orders_hold_while_the_file_is_locked(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with worker(tmp_path, "-c", "1") as started:
        child = spinning(tmp_path, started, app)
        holder = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            overrun = seconds_to_end([child], WITHIN)
            assert overrun is not None, "the time limit waited for the lock"
            # A warm stop waits for the outcome to be written; a cold one gives up after 5 s.
            send(signal.SIGTERM, [started.pid])
            started.wait_said("no new jobs")
            send(signal.SIGTERM, [started.pid])
            assert seconds_to_end([started.pid], WITHIN) is not None, "the stop waited for the lock"
        finally:
            holder.execute("ROLLBACK")
            holder.close()
    # What could not be written under the lock is taken back by the next worker: nothing is stuck.
    with worker(tmp_path, "-c", "1"):
        until(lambda: app.store.queues()[0].failed == 1, what="the overrun job has failed")


def test_control_a_process_that_waits_for_the_lock_is_still_there(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with worker(tmp_path, "-c", "1") as started:
        child = spinning(tmp_path, started, app)
        # A supervisor that waits for whatever holds it up is as good as stopped.
        send(signal.SIGSTOP, [started.pid])
        assert seconds_to_end([child], 2.0) is None
        assert alive(child)
