"""list, show and retry, with real files and workers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue

Cli = Callable[..., subprocess.CompletedProcess[str]]
Terminal = Callable[..., tuple[int, str]]

APP = """
import os, signal
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def add(x, y=1): return x + y
@app.task(bind=True, max_retries=1, default_retry_delay=0)
def fail(self, what):
    if os.path.exists("mended"): return "well"
    self.retry(exc=ValueError(f"no {what}"))
@app.task(bind=True)
def far(self):
    self.update_state(state="HALFWAY", meta={"done": 5})
    open("told", "w").close()
    signal.pause()
"""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
KEYS = {
    "id",
    "task",
    "queue",
    "priority",
    "state",
    "attempts",
    "retries",
    "enqueued",
    "run_at",
    "finished",
    "progress",
    "error",
}


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    return PyQueue(tmp_path / "jobs.db")


def burst(cli: Cli) -> None:
    done = cli("worker", "--burst", "-c", "1")
    assert done.returncode == 0, done


def listed(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    done = cli("list", "--json", *arguments)
    assert done.returncode == 0, done
    shown = json.loads(done.stdout)
    assert shown["schema"] == 1
    return shown["jobs"]  # type: ignore[no-any-return]


def test_list_shows_the_newest_first_and_filters(cli: Cli, app: PyQueue) -> None:
    failed = app.send_task("app.fail", ("luck",))
    burst(cli)
    mail = app.send_task("app.add", (1,), queue="mail", countdown=60)
    last = app.send_task("app.add", (1,))
    assert [job["id"] for job in listed(cli)] == [last.id, mail.id, failed.id]
    assert [job["id"] for job in listed(cli, "--limit", "1")] == [last.id]
    assert [job["id"] for job in listed(cli, "--queue", "mail")] == [mail.id]
    assert [job["id"] for job in listed(cli, "--task", "app.fail")] == [failed.id]
    (job,) = listed(cli, "--state", "failed")
    assert job.keys() == KEYS
    assert job["error"] == {"type": "builtins.ValueError", "message": "no luck"}
    assert (job["attempts"], job["retries"]) == (2, 1)
    assert INSTANT.fullmatch(job["enqueued"])
    assert INSTANT.fullmatch(job["finished"])
    assert listed(cli, "--state", "dead") == []


def test_list_is_a_table_that_fits(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.add", (1,))
    lines = cli("list").stdout.splitlines()
    assert lines[0].split() == ["id", "state", "task", "queue", "enqueued"]
    assert lines[1].split()[:4] == [job.id, "waiting", "app.add", "default"]
    assert lines[1].endswith(" ago")
    assert max(map(len, lines)) <= 80
    assert cli("list", "--state", "dead").stdout == "no such jobs\n"


def test_names_are_whole_in_a_pipe_and_steer_no_terminal(cli: Cli, app: PyQueue, terminal: Terminal) -> None:
    name = "app." + "long" * 30
    app.send_task(name + "\x1b]0;owned\x07")
    assert name + "\\x1b]0;owned\\x07" in cli("list").stdout
    code, shown = terminal("list", COLUMNS="80")
    assert code == 0
    assert "\x1b]" not in shown


@pytest.mark.parametrize(
    "arguments", [("--state", "lost"), ("--limit", "0"), ("--limit", "x"), ("--limit", "9" * 30)]
)
def test_a_wrong_filter_is_64(cli: Cli, app: PyQueue, arguments: tuple[str, str]) -> None:
    done = cli("list", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)


def test_show_tells_everything_about_a_failure(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.fail", ("luck",))
    burst(cli)
    done = cli("show", job.id)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "app.fail",
        "('luck')",
        "2, 1 of them retried",
        "ValueError: no luck",
        "It has ended: failed.",
    ):
        assert text in done.stdout
    assert "Traceback" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Traceback" in cli("show", "-v", job.id).stdout
    shown = json.loads(cli("show", "--json", job.id).stdout)
    assert shown.keys() >= KEYS | {
        "schema",
        "db",
        "why",
        "args",
        "kwargs",
        "mapped",
        "check_back",
        "result",
        "progress",
        "problems",
    }
    assert (shown["schema"], shown["args"], shown["kwargs"]) == (1, ["luck"], {})
    assert [each["outcome"] for each in shown["history"]] == ["retry", "failure"]
    assert all(INSTANT.fullmatch(each["finished"]) for each in shown["history"])
    assert "traceback" not in shown["error"]
    assert "Traceback" in json.loads(cli("show", "--json", "-v", job.id).stdout)["error"]["traceback"]


def test_show_shortens_arguments_unless_asked(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.add", ("a" * 5_000,))
    short, whole = cli("show", job.id).stdout, cli("show", "-v", job.id).stdout
    assert "a" * 400 in short
    assert "a" * 501 not in short
    assert "a" * 5_000 in whole


def test_calls_over_the_usual_limit_are_shown_and_retried(cli: Cli, app: PyQueue, tmp_path: Path) -> None:
    large = PyQueue(app.path, max_body=4_000_000)
    (tmp_path / "app.py").write_text(APP.replace('"jobs.db"', '"jobs.db", max_body=4_000_000'))
    job = large.send_task("app.fail", ("x" * 2_000_000,))
    burst(cli)
    assert "('xxxx" in cli("show", job.id).stdout
    assert cli("retry", job.id).returncode == 0


def test_show_of_a_success_and_of_what_waits(cli: Cli, app: PyQueue) -> None:
    done = app.send_task("app.add", (1,))
    burst(cli)
    later = app.send_task("app.add", (1,), {"y": 5}, countdown=600)
    assert "result     2\n" in cli("show", done.id).stdout
    text = cli("show", later.id).stdout
    assert "(1, y=5)" in text
    assert re.search(r"not before +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(in (10|9) m\)", text)
    assert json.loads(cli("show", "--json", later.id).stdout)["kwargs"] == {"y": 5}


def test_show_tells_how_far_a_running_job_is(
    cli: Cli, app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    job = app.send_task("app.far")
    worker("-c", "1")
    eventually((tmp_path / "told").exists)
    assert re.search(r"progress +HALFWAY \{'done': 5\}\n", cli("show", job.id).stdout)
    shown = json.loads(cli("show", "--json", job.id).stdout)
    assert shown["progress"] == {"state": "HALFWAY", "meta": {"done": 5}}
    assert shown["state"] == "running"


def test_show_of_a_job_from_plain_sql_and_of_none(cli: Cli, app: PyQueue) -> None:
    _ = app.store.queues()
    # A process of its own: two copies of SQLite in one would be another test.
    program = "import sqlite3; c = sqlite3.connect('jobs.db'); c.execute(\"INSERT INTO pyqueue_inbox(id, task, body) VALUES('mine', 'app.add', x'00')\"); c.commit()"
    import sys

    subprocess.run([sys.executable, "-c", program], cwd=Path(app.path).parent, check=True)
    shown = json.loads(cli("show", "--json", "mine").stdout)
    assert (shown["id"], shown["state"], shown["task"]) == ("mine", "waiting", "app.add")
    done = cli("show", "no-such-id")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)


def test_show_says_what_it_cant_read(cli: Cli, app: PyQueue) -> None:
    from pyqueue._core import NewJob

    ((id, _),) = app.store.enqueue([NewJob("app.add", b"\x80\x04", content_type="application/x-pickle")])
    done = cli("show", id)
    assert done.returncode == 0
    assert "can't be read" in done.stdout
    shown = json.loads(cli("show", "--json", id).stdout)
    assert shown["args"] is None
    assert "application/x-pickle" in shown["problems"][0]


def test_retry_makes_new_jobs_and_says_which_can_not_be(cli: Cli, app: PyQueue, tmp_path: Path) -> None:
    failed, fine = app.send_task("app.fail", ("luck",)), app.send_task("app.add", (1,))
    burst(cli)
    shown = json.loads((done := cli("retry", "--json", failed.id, fine.id, "no-such-id")).stdout)
    assert done.returncode == 1
    ((old, new),) = ((each["id"], each["new_id"]) for each in shown["retried"])
    assert old == failed.id
    assert shown["refused"] == [{"id": fine.id, "state": "success"}]
    assert shown["unknown"] == ["no-such-id"]
    (tmp_path / "mended").touch()
    burst(cli)
    assert app.AsyncResult(new).get(timeout=0) == "well"
    assert failed.state == "FAILURE"
    assert cli("retry", "no-such-id").returncode == 69


def test_retry_of_all_that_failed(cli: Cli, app: PyQueue) -> None:
    jobs = [app.send_task("app.fail", ("luck",), queue=queue) for queue in ("a", "a", "b")]
    burst(cli)
    done = cli("retry", "--failed", "--queue", "a", "--forget")
    assert (done.returncode, len(done.stdout.split()), done.stderr) == (0, 2, "pyqueue: 2 retried\n")
    assert [job.state for job in jobs] == ["UNKNOWN", "UNKNOWN", "FAILURE"]
    assert cli("retry", "--failed", "--queue", "a").stderr == "pyqueue: 0 retried\n"
    assert cli("retry", "--failed", "--task", "app.add").stdout == ""
    assert len(cli("retry", "--failed").stdout.split()) == 1


@pytest.mark.parametrize("arguments", [(), ("--failed", "id"), ("id", "--task", "app.add")])
def test_retry_needs_to_know_which(cli: Cli, app: PyQueue, arguments: tuple[str, ...]) -> None:
    done = cli("retry", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
