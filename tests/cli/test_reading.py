"""What the reading commands say, with real files and workers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.cli.times import iso

Cli = Callable[..., subprocess.CompletedProcess[str]]

APP = """
import datetime, os, signal
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def add(x, y): return x + y
@app.task
def text(): return "two\\nlines"
@app.task
def day(): return datetime.date(2026, 1, 2)
@app.task
def fail(): raise ValueError("no \\x1b[31m such thing")
@app.task
def hold():
    open("holding", "w").close()
    signal.pause()
"""


@pytest.fixture
def app(tmp_path: Path, cli: Cli) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    return PyQueue(tmp_path / "jobs.db")


def burst(cli: Cli) -> None:
    done = cli("worker", "--burst", "-c", "1")
    assert done.returncode == 0, done


def test_status_adds_up_the_queues(cli: Cli, app: PyQueue) -> None:
    for queue in ("mail", "default"):
        app.send_task("app.add", (1, 2), queue=queue)
    app.send_task("app.add", (1, 2), queue="mail", countdown=60)
    shown: dict[str, Any] = json.loads(cli("status", "--json").stdout)
    assert (shown["totals"]["waiting"], shown["totals"]["delayed"]) == (2, 1)
    lines = cli("status").stdout.splitlines()
    assert re.sub(r"\d+ m?s", "AGE", lines[3]).split() == [
        "(all)",
        "2",
        "AGE",
        "1",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
    ]
    assert max(map(len, lines)) <= 80


def test_status_shows_the_age_of_the_oldest_job_in_line(cli: Cli, app: PyQueue) -> None:
    first = app.send_task("app.add", (1, 2))
    app.send_task("app.add", (3, 4), priority=9)
    app.send_task("app.add", (1, 2), queue="mail", countdown=60)
    default, mail = json.loads(cli("status", "--json").stdout)["queues"]
    assert default["oldest"] == iso(app.store.jobs(queue="default")[-1].enqueued_us)
    assert app.store.jobs(queue="default")[-1].id == first.id
    assert default["oldest_age"] > 0
    assert (mail["oldest"], mail["oldest_age"]) == (None, None)
    burst(cli)
    assert json.loads(cli("status", "--json").stdout)["queues"][0]["oldest"] is None
    assert cli("status").stdout.splitlines()[1].split()[:3] == ["default", "0", "-"]


def test_result_of_a_success(cli: Cli, app: PyQueue) -> None:
    number, text, day = (
        app.send_task(f"app.{name}", args) for name, args in (("add", (2, 3)), ("text", ()), ("day", ()))
    )
    burst(cli)
    done = cli("result", number.id)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")
    assert cli("result", text.id).stdout == "two\nlines\n"
    shown = json.loads(cli("result", "--json", day.id).stdout)
    assert shown.pop("db") == str(app.path)
    assert shown == {
        "schema": 1,
        "id": day.id,
        "state": "success",
        "retries": 0,
        "result": {"__type__": "date", "__value__": "2026-01-02"},
        "error": None,
    }


def test_result_of_a_failure(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.fail")
    burst(cli)
    done = cli("result", job.id)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "ValueError: no \\x1b[31m such thing" in done.stderr
    assert "\x1b" not in done.stderr
    assert 'raise ValueError("no' in cli("result", job.id, "--traceback").stderr
    shown = json.loads(cli("result", "--json", "--traceback", job.id).stdout)
    assert shown["error"]["type"].endswith("ValueError")
    assert shown["error"]["traceback"].startswith("Traceback")


def test_result_of_what_has_none(cli: Cli, app: PyQueue) -> None:
    waiting, cancelled = app.send_task("app.add", (1, 2)), app.send_task("app.add", (1, 2))
    cancelled.revoke()
    for id, code, word in (
        (waiting.id, 75, "waiting"),
        (cancelled.id, 1, "cancelled"),
        ("no-such-id", 69, "no job"),
    ):
        done = cli("result", id)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
        assert word in done.stderr


def test_result_waits_for_the_end_and_no_longer(
    cli: Cli, app: PyQueue, tmp_path: Path, worker: Callable[..., Any]
) -> None:
    job = app.send_task("app.add", (2, 3))
    assert cli("result", job.id, "--wait", "0.05").returncode == 75
    worker("-c", "1")
    assert cli("result", job.id, "--wait", "20").stdout == "5\n"


def test_a_running_job_is_not_finished(
    cli: Cli, app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    job = app.send_task("app.hold")
    worker("-c", "1")
    eventually((tmp_path / "holding").exists)
    assert json.loads(cli("why", job.id, "--json").stdout)["state"] == "running"
    assert cli("result", job.id).returncode == 75
    done = cli("cancel", job.id)
    assert (done.returncode, done.stdout) == (1, "0 cancelled\n")
    assert done.stderr == f"pyqueue: too late for {job.id}: running\n"


def test_why_says_what_a_job_waits_for(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.add", (1, 2), countdown=600)
    done = cli("why", job.id)
    assert (done.returncode, done.stdout.startswith("It may start in ")) == (0, True)
    shown = json.loads(cli("why", "--json", job.id).stdout)
    assert (shown["schema"], shown["state"]) == (1, "delayed")
    assert cli("why", "no-such-id").returncode == 69


def test_a_result_that_cant_be_read_is_65(cli: Cli, app: PyQueue) -> None:
    from pyqueue._core import Outcome

    job = app.send_task("app.add", (1, 2))
    store = app.store
    taken = store.claim(store.join("test", 1, 60_000_000), 1)
    store.finish([(taken[0], Outcome.success(b"\x80\x04", "application/x-python-serialize"))])
    done = cli("result", job.id)
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)
    assert "application/x-python-serialize" in done.stderr


def test_report_tells_versions_file_and_counts_and_no_names(cli: Cli, app: PyQueue) -> None:
    import os

    app.send_task("app.add", (1, 2))
    shown = json.loads(cli("report", "--json").stdout)
    assert shown["versions"].keys() == {"pyqueue", "sqlite", "python", "libc"}
    assert shown["counts"]["waiting"] == 1
    assert shown["file"]["file_system"] != "unknown"
    assert shown["file"]["bytes"] > 0
    text = cli("report").stdout
    assert shown["versions"]["sqlite"] in text
    assert os.uname().nodename not in text.replace(str(app.path), "")


def test_report_works_without_a_file_and_with_a_foreign_one(cli: Cli, tmp_path: Path) -> None:
    done = cli("report")
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, "db: none is named")
    (tmp_path / "text.db").write_text("this is no database, and is long enough to have a header" * 20)
    shown = json.loads(cli("report", "--json", "--db", "text.db").stdout)
    assert "problem" in shown["file"]
    assert shown["file"]["bytes"] == (tmp_path / "text.db").stat().st_size
    assert json.loads(cli("report", "--json", "--db", "none.db").stdout)["file"] == {
        "problem": "there is no such file"
    }
