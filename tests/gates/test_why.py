"""What a job waits for is said as it is: by its own row, and by the workers that keep it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCE = """
import os
import time

from pyqueue import PyQueue

app = PyQueue("jobs.db")


@app.task
def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.005)
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


def test_a_job_in_line_says_who_keeps_it(
    tasks: Any, worker: Worker, eventually: Eventually, tmp_path: Path
) -> None:
    app, file, gate = tasks.app, tasks.__project__.file.name, str(tmp_path / "gate")
    job = tasks.hold.apply_async((gate,), queue="b")
    assert app.why(job.id).endswith("no worker is in the file.")
    worker("-A", file, "-c", "1", "-Q", "a", "-n", "first")
    assert app.why(job.id).endswith("No worker serves the queue b.")
    unknown = app.send_task("gone.away", queue="a")
    eventually(lambda: app.why(unknown.id).startswith("No worker that knows the task gone.away"))
    second = worker("-A", file, "-c", "1", "-Q", "b", "-n", "second")
    eventually(lambda: app.why(job.id).startswith("It runs on worker second, in process "))
    behind = tasks.hold.apply_async((gate,), queue="b")
    eventually(lambda: app.why(behind.id).endswith("The only slot of its workers is busy."))
    os.kill(second.pid, signal.SIGSTOP)
    try:
        eventually(lambda: "It is with worker second, which is wedged" in app.why(job.id))
    finally:
        os.kill(second.pid, signal.SIGCONT)
    Path(gate).touch()
    job.get(timeout=20)
    assert app.why(job.id) == "It has ended: success."
    assert app.why("nobody").startswith("There is no such job")


def test_every_worker_knows_the_tasks_of_pyqueue(
    tasks: Any, worker: Worker, eventually: Eventually, tmp_path: Path
) -> None:
    app, file, gate = tasks.app, tasks.__project__.file.name, str(tmp_path / "gate")
    worker("-A", file, "-c", "1", "-n", "only")
    job = tasks.hold.delay(gate)
    eventually(lambda: app.why(job.id).startswith("It runs on worker only, in process "))
    assert re.fullmatch(r"It runs on worker only, in process \d+, for \d+ s\.", app.why(job.id))
    behind = app.send_task("pyqueue.value", (1,))
    eventually(lambda: app.why(behind.id).endswith("The only slot of its workers is busy."))
    Path(gate).touch()
    assert behind.get(timeout=20) == 1
