"""``pyqueue control``: words, exit codes, the record."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Worker = Callable[..., Any]
Command = Callable[..., subprocess.CompletedProcess[str]]
SOURCE = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.task
def nap(): pass
"""


def test_it_says_what_each_worker_answers(tasks: Any, worker: Worker, command: Command) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one@host")
    done = command("ping")
    assert (done.returncode, done.stdout, done.stderr) == (0, "one@host: pong\n", "")
    done = command("-d", "one@host", "pool_shrink")
    assert done.returncode == 1
    assert done.stdout.startswith("one@host: error: of 1 children at least one stays")
    done = command("pool_grow", "2", "--json")
    told = json.loads(done.stdout)
    assert told["replies"] == [{"worker": "one@host", "ok": True, "answer": {"ok": "pool will grow"}}]
    assert (told["silent"], told["gone"]) == ([], [])
    assert command("--no-reply", "heartbeat").returncode == 0
    listed = json.loads(command("--history", "--json").stdout)["commands"]
    assert [each["name"] for each in listed] == ["heartbeat", "pool_grow", "pool_shrink"]
    grow = listed[1]
    assert (grow["arguments"], grow["target"]) == ({"n": 2}, "all")
    assert [(each["worker"], each["state"]) for each in grow["replies"]] == [("one@host", "ok")]
    assert "pool_grow n=2" in command("--history").stdout
    assert "ping" in command("--history", "--asking").stdout


def test_who_is_silent_or_gone_is_named_with_a_code(tasks: Any, worker: Worker, command: Command) -> None:
    stopped = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one@host")
    stopped.process.send_signal(signal.SIGSTOP)
    done = command("--timeout", "0.3", "pool_grow")
    assert done.returncode == 75
    assert "one@host has not answered in time; it may obey until" in done.stderr
    stopped.process.kill()
    stopped.process.wait()
    done = command("ping")
    assert (done.returncode, done.stderr) == (69, f"pyqueue: no worker runs on {tasks.app.path}\n")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("pool_grw",), 64, "there is no command 'pool_grw': is it pool_grow"),
        (("pool_grow", "x"), 64, "n of pool_grow is int, not 'x'"),
        (("pool_grow", "1", "2"), 64, "'2' is one argument too many"),
        ((), 64, "say which command"),
        (("revoke", "task=mail.*", "signal=NONE"), 64, "there is no signal 'NONE'"),
        (("-d", "nobody", "ping"), 69, "there is no worker 'nobody': no worker runs on"),
        (("--pattern", "n*", "ping"), 69, "no worker's name fits 'n*'"),
        (("--db", "none.db", "ping"), 69, "there is no queue file"),
        (("--no-reply", "shutdown"), 69, "no worker runs on"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tasks: Any, command: Command, words: tuple[str, ...], code: int, why: str
) -> None:
    _ = tasks.app.store.queues()
    done = command(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_jobs_are_cancelled_with_no_worker(tasks: Any, command: Command, tmp_path: Path) -> None:
    job = tasks.nap.delay()
    done = command("revoke", job.id)
    assert (done.returncode, job.state) == (0, "REVOKED")
    assert f"tasks {job.id} flagged as revoked" in done.stdout
    assert command("--history").stdout.count("revoke") >= 1


def test_a_setting_for_tests_has_no_other_file_told(
    tasks: Any, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tasks.nap.delay()
    monkeypatch.setenv("PYQUEUE_ALWAYS_EAGER", "1")
    for app in ((), ("-A", tasks.__project__.file.name)):
        assert command("revoke", job.id, *app, "--json").returncode == 0
    assert tasks.app.store.view(job.id).state == "cancelled"
    assert len(tasks.app.store.jobs(state="cancelled")) == 1
    assert [line.split()[3] for line in command("--history").stdout.splitlines()[1:]] == ["revoke"] * 2


def test_a_record_of_somebody_elses_is_shown(tasks: Any, command: Command) -> None:
    tasks.app.control.enable_events()
    with closing(sqlite3.connect(tasks.app.path)) as connection, connection:
        for body in (b'{"v":1,"result":[1]}', b"garbage", b""):
            connection.execute("UPDATE pyqueue_command SET arguments=?", [body])
            connection.commit()
            done = command("--history")
            assert (done.returncode, "enable_events" in done.stdout) == (0, True), body
