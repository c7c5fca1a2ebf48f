"""What the acting commands do, with real files and workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue import PyQueue

Cli = Callable[..., subprocess.CompletedProcess[str]]
Terminal = Callable[..., tuple[int, str]]

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def add(x, y=1): return x + y
@app.task
def kind(value): return type(value).__name__
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    app = PyQueue(tmp_path / "jobs.db")
    _ = app.store.queues()
    return app


def burst(cli: Cli) -> None:
    done = cli("worker", "--burst", "-c", "1")
    assert done.returncode == 0, done


def test_call_makes_a_job_and_prints_its_id(cli: Cli, app: PyQueue) -> None:
    done = cli("call", "app.add", "--args", "[2]", "--kwargs", '{"y": 40}')
    assert (done.returncode, done.stderr) == (0, "")
    id = done.stdout.strip()
    burst(cli)
    assert app.AsyncResult(id).get(timeout=0) == 42


def test_call_passes_its_options_on(cli: Cli, app: PyQueue) -> None:
    first = json.loads(
        cli(
            "call",
            "app.add",
            "--args",
            "[1]",
            "--queue",
            "mail",
            "--countdown",
            "60",
            "--priority",
            "5",
            "--dedup-key",
            "k",
            "--json",
        ).stdout
    )
    assert first["created"] is True
    (queue,) = app.store.queues()
    assert (queue.name, queue.delayed) == ("mail", 1)
    again = cli("call", "app.add", "--queue", "mail", "--dedup-key", "k")
    assert again.stdout.strip() == first["id"]
    assert "there already" in again.stderr


def test_call_goes_by_the_configuration_but_always_makes_a_job(cli: Cli, app: PyQueue) -> None:
    done = cli("call", "app.add", PYQUEUE_DEFAULT_QUEUE="mail", PYQUEUE_ALWAYS_EAGER="1")
    assert done.returncode == 0, done
    assert [(queue.name, queue.waiting) for queue in app.store.queues()] == [("mail", 1)]


def test_call_takes_the_tags_that_json_output_shows(cli: Cli, app: PyQueue) -> None:
    day = '[{"__type__": "date", "__value__": "2026-01-02"}]'
    id = cli("call", "app.kind", "--args", day).stdout.strip()
    burst(cli)
    assert app.AsyncResult(id).get(timeout=0) == "date"


def test_call_waits_and_ends_as_the_job_does(cli: Cli, app: PyQueue, worker: Callable[..., object]) -> None:
    assert cli("call", "app.add", "--wait", "0.05").returncode == 75
    worker("-c", "1")
    done = cli("call", "app.add", "--args", "[2]", "--wait", "20")
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["3"])
    done = cli("call", "app.add", "--args", '["text"]', "--wait", "20", "--json")
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["state"], shown["created"]) == (1, "failed", True)


def test_call_makes_the_file_that_is_named_and_says_so(cli: Cli, tmp_path: Path) -> None:
    done = cli("call", "app.add", "--db", "new.db")
    assert (done.returncode, done.stderr) == (0, f"pyqueue: making the queue file {tmp_path}/new.db\n")
    assert (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--args", "[1"), 64),
        (("--args", '{"x": 1}'), 64),
        (("--args", '[{"__type__": "no_such", "__value__": 1}]'), 64),
        (("--args", '[{"__type__": "date", "__value__": "no day"}]'), 64),
        (("--args", "[" * 100_000), 64),
        (("--kwargs", "[1]"), 64),
        (("--priority", "300"), 64),
        (("--countdown", "-1"), 64),
        (("--countdown", "nan"), 64),
        (("--countdown", "1e300"), 64),
        (("--queue", ""), 64),
        (("--args", "[NaN]"), 65),
        (("--args", "[" * 900 + "]" * 900), 65),
    ],
)
def test_a_bad_call_makes_no_job(cli: Cli, app: PyQueue, arguments: tuple[str, ...], code: int) -> None:
    done = cli("call", "app.add", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
    assert all(queue.waiting == 0 for queue in app.store.queues())


def test_cancel_sorts_what_it_is_given(cli: Cli, app: PyQueue) -> None:
    ended, waiting = app.send_task("app.add", (1,)), app.send_task("app.add", (1,), countdown=60)
    burst(cli)
    done = cli("cancel", "--json", ended.id, waiting.id, waiting.id, "no-such-id")
    shown = json.loads(done.stdout)
    assert done.returncode == 1
    assert shown["cancelled"] == [waiting.id]
    assert shown["too_late"] == [{"id": ended.id, "state": "success"}]
    assert shown["unknown"] == ["no-such-id"]
    assert waiting.state == "REVOKED"
    assert cli("cancel", "no-such-id").returncode == 69
    assert cli("cancel", app.send_task("app.add").id).returncode == 0


def test_purge_needs_a_terminal_or_force(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.add", (1,))
    done = cli("purge", "default")
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert job.state == "PENDING"
    done = cli("purge", "default", "--force")
    assert (done.returncode, done.stdout) == (0, "1 cancelled\n")
    assert job.state == "REVOKED"
    assert cli("purge", "nothing", "--force").returncode == 69


@pytest.mark.parametrize(
    ("typed", "code", "state"), [(b"y\n", 0, "REVOKED"), (b"\n", 1, "PENDING"), (b"no\n", 1, "PENDING")]
)
def test_purge_asks_on_a_terminal(
    terminal: Terminal, app: PyQueue, typed: bytes, code: int, state: str
) -> None:
    job = app.send_task("app.add", (1,))
    done, shown = terminal("purge", "default", typed=typed)
    assert "Cancel the only job of queue default? [y/N]" in shown
    assert (done, job.state) == (code, state)


def test_purge_tells_how_far_it_is(terminal: Terminal, app: PyQueue) -> None:
    # So many that it takes several times as long as the first line of progress.
    for _ in range(12):
        app.enqueue_many([app.signature("app.add", (1,))] * 10_000)
    code, shown = terminal("purge", "default", "--force")
    assert code == 0
    assert " left" in shown
    assert "120,000 cancelled" in shown


@pytest.mark.parametrize("scope", [("--queue", "default"), ("--task", "app.add")])
def test_pause_holds_and_resume_lets_go(cli: Cli, app: PyQueue, scope: tuple[str, str]) -> None:
    done = cli("pause", *scope, "--yes")
    assert (done.returncode, done.stdout) == (0, f"{scope[0][2:]} {scope[1]} is paused\n")
    job = app.send_task("app.add", (1,))
    burst(cli)
    assert job.state == "PENDING"
    assert "paused" in cli("why", job.id).stdout
    assert json.loads(cli("resume", *scope, "--json").stdout)["paused"] is False
    burst(cli)
    assert job.get(timeout=0) == 2


@pytest.mark.parametrize(
    "arguments", [(), ("--queue", ""), ("--task", "a", "--where", "task=b"), ("--where", "age>1h")]
)
def test_pause_needs_what_jobs_to_come_are_known_by(
    cli: Cli, app: PyQueue, arguments: tuple[str, ...]
) -> None:
    for command in ("pause", "resume"):
        done = cli(command, *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (64, 1)
