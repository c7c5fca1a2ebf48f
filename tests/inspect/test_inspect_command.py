"""``pyqueue inspect`` in a process of its own: tables, JSON, exit codes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue.cli.inspect import WHAT

SOURCE = """
import os
import time

from pyqueue import PyQueue

app = PyQueue("jobs.db")


@app.task(rate_limit="10/m")
def add(x, y, password=None):
    return x + y


@app.task
def hold(gate):
    while not os.path.exists(gate):
        time.sleep(0.005)
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyqueue", "inspect", *words, "--db", "jobs.db"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def answers(*words: str) -> Any:
    done = run(*words, "--json")
    told = json.loads(done.stdout)
    assert (told["schema"], told["inspect"]) == (1, words[0])
    return told["workers"]


def test_with_nobody_there(tasks: Any) -> None:
    late = tasks.add.apply_async((1, 2), {"password": "hunter2"}, countdown=3600)
    done = run("ping")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == f"pyqueue: no worker of {tasks.app.path} is here\n"
    assert json.loads(run("active", "--json").stdout)["workers"] == {}
    done = run("scheduled")
    assert done.returncode == 0
    assert late.id in done.stdout
    assert "hunter2" not in done.stdout
    assert answers("scheduled")["(file)"][0]["request"]["kwargs"] == {"password": "***"}
    assert answers("query_task", late.id)["(file)"][late.id][0] == "scheduled"
    assert "scheduled" in run("query_task", late.id).stdout
    assert run("query_task").returncode == 64
    assert run("ping", "one").returncode == 64
    assert run("objgraph").returncode == 64


def test_each_word_with_a_worker(tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually) -> None:
    one = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one")
    gate = tmp_path / "gate"
    job = tasks.hold.delay(str(gate))
    eventually(lambda: job.state == "STARTED")
    for word in WHAT:
        more = (job.id,) if word == "query_task" else ()
        done = run(word, *more)
        assert (done.returncode, done.stderr) == (0, ""), word
        assert "one" in done.stdout or word in ("reserved", "lost", "scheduled", "query_task"), word
    assert run("active").stdout.splitlines()[1].split()[:3] == ["one", job.id, tasks.hold.name]
    assert run("registered").stdout == f"one: {tasks.add.name} [rate_limit=10/m], {tasks.hold.name}\n"
    assert answers("registered", "max_retries")["one"][0].endswith("[max_retries=3]")
    assert answers("conf").keys() == {"one"}
    assert run("active", "-d", "none").returncode == 69
    assert answers("active", "--pattern", "o*")["one"][0]["id"] == job.id
    os.kill(one.pid, signal.SIGSTOP)
    eventually(lambda: "wedged" in run("ping").stdout)
    assert run("ping").returncode == 1
    os.kill(one.pid, signal.SIGKILL)
    one.process.wait()
    done = run("ping")
    assert (done.returncode, done.stdout.splitlines()[1].split()[:2]) == (1, ["one", "dead"])
    assert run("active").returncode == 69
    assert job.id in run("lost").stdout


@pytest.mark.parametrize(
    "facts",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"tasks": 7, "conf": [], "queues": "x", "crew": 1}',
        b"[" * 9000,
        b'{"crew": [1], "reserved": 5, "queues": [[1]], "usual": 3, "started": "x", "worker": 9, "argv": [1]}',
        b'{"started": NaN}',
        b'{"started": -Infinity}',
        b'{"tasks": {"t": 7}, "conf": {"db": 7}, "usual": {"rate_limit": []}}',
    ],
)
def test_a_worker_that_says_nonsense_of_itself(facts: bytes, tasks: Any) -> None:
    tasks.app.store.join("odd", 1, 60_000_000, facts=facts)
    for word in WHAT:
        done = run(word, *(["nothing"] if word == "query_task" else []))
        assert done.returncode in (0, 1), (word, done.stderr)
        assert "Traceback" not in done.stderr
    assert answers("ping")["odd"]["state"] == "unknown"


def test_names_like_those_of_secrets_are_names(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "token-refresher")
    tasks.app.control.ping(timeout=20)
    gate = tmp_path / "gate"
    running = tasks.hold.apply_async((str(gate),), task_id="reset-password-7")
    eventually(lambda: running.state == "STARTED")
    for word in WHAT:
        done = run(word, *(["reset-password-7"] if word == "query_task" else []))
        assert (done.returncode, done.stderr) == (0, ""), word
    assert answers("ping")["token-refresher"]["ok"] == "pong"
    assert answers("query_task", "reset-password-7")["token-refresher"]["reset-password-7"][0] == "active"
    gate.touch()
    running.get(timeout=20)
    reset = tasks.app.send_task("user.reset_password", (1,))
    assert answers("stats")["token-refresher"]["total"] == {tasks.hold.name: 1}
    assert reset.state == "PENDING"


def test_a_time_that_no_datetime_can_be_is_told_of(tasks: Any) -> None:
    tasks.app.store.queues()
    with closing(sqlite3.connect(tasks.app.path)) as connection, connection:
        body = b'{"v":1,"args":[],"kwargs":{}}'
        connection.execute(
            "INSERT INTO pyqueue_inbox(task, body, run_at) VALUES('far', ?, ?)", [body, 3 * 10**17]
        )
    done = run("scheduled")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].endswith("beyond the year 9999")
    [told] = answers("scheduled")["(file)"]
    assert (told["eta"], told["request"]["name"]) == (None, "far")
