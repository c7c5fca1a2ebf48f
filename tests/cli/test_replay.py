"""Failed and dead jobs are found by what they are, and run once more: all that fit and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import InvalidJob

Cli = Callable[..., Any]

APP = """
import os
from pyqueue import PyQueue
app = PyQueue("jobs.db")

class Timeout(OSError): ...
class TimeoutWaiting(Timeout): ...

@app.task(name="report.day")
def day():
    if not os.path.exists("mended"): raise Timeout("db refused")
@app.task(name="report.week")
def week():
    if not os.path.exists("mended"): raise TimeoutWaiting("for db")
@app.task(name="report.year")
def year():
    if not os.path.exists("mended"): raise ValueError("Timeout is no date")
@app.task(name="mail.send")
def send():
    if not os.path.exists("mended"): raise Timeout("mail refused")
@app.task(name="mail.deadly", max_losses=1)
def deadly():
    if not os.path.exists("mended"): os._exit(3)
@app.task(name="report.fine")
def fine(): return 1
"""
TASKS = ("report.day", "report.week", "report.year", "mail.send", "mail.deadly", "report.fine")


@pytest.fixture
def app(tmp_path: Path, cli: Cli) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    app = PyQueue(tmp_path / "jobs.db")
    for task in TASKS:
        app.send_task(task, queue=task.partition(".")[0])
    assert cli("worker", "--burst", "-c", "1").returncode == 0
    return app


def chosen(cli: Cli, *arguments: str) -> set[str]:
    """The tasks of the jobs that it would be; nothing is stored."""
    done = cli("retry", "--dry-run", "--json", *arguments)
    assert done.returncode == 0, done
    return {job["task"] for job in json.loads(done.stdout)["would_retry"]}


@pytest.mark.parametrize(
    ("arguments", "tasks"),
    [
        (["--failed"], TASKS[:5]),
        (["--task", "report.*"], TASKS[:3]),
        (["--task", "report.da?"], TASKS[:1]),
        (["--task", "report.[dw]*"], TASKS[:2]),
        (["--task", "report"], ()),
        (["--queue", "mail"], TASKS[3:5]),
        (["--state", "dead"], TASKS[4:5]),
        (["--state", "failed", "--queue", "mail"], TASKS[3:4]),
        (["--error", "Timeout*"], (TASKS[0], TASKS[1], TASKS[3])),
        (["--error", "Timeout"], (TASKS[0], TASKS[3])),
        (["--error", "app.Timeout"], (TASKS[0], TASKS[3])),
        (["--error", "ValueError"], TASKS[2:3]),
        (["--error", "*refused"], (TASKS[0], TASKS[3])),
        (["--error", "Timeout: db*"], TASKS[:1]),
        (["--error", "app.Timeout*: *db*"], TASKS[:2]),
        (["--error", "timeout*"], ()),
        (["--task", "mail.*", "--error", "Timeout*"], TASKS[3:4]),
        (["--since", "1h"], TASKS[:5]),
        (["--limit", "1"], TASKS[:1]),
        (["--limit", "99"], TASKS[:5]),
    ],
    ids=" ".join,
)
def test_what_fits(cli: Cli, app: PyQueue, arguments: list[str], tasks: tuple[str, ...]) -> None:
    assert chosen(cli, *arguments) == set(tasks)
    listed = [each for each in arguments if each not in ("--failed",)]
    if arguments[0] not in ("--failed", "--limit"):
        done = cli("list", "--json", *listed)
        found = {job["task"] for job in json.loads(done.stdout)["jobs"] if job["state"] in ("failed", "dead")}
        assert found == set(tasks)
    assert len(app.store.jobs()) == len(TASKS)


def test_a_dry_run_shows_what_the_run_then_does(cli: Cli, app: PyQueue, tmp_path: Path) -> None:
    dry = cli("retry", "--task", "report.*", "--error", "Timeout*", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "pyqueue: 2 would be retried\n")
    assert dry.stdout.splitlines()[0].split() == ["id", "state", "task", "error"]
    assert "report.day   app.Timeout: db refused" in dry.stdout
    before = {job.id for job in app.store.jobs()}
    done = cli("retry", "--task", "report.*", "--error", "Timeout*")
    assert (done.returncode, done.stderr) == (0, "pyqueue: 2 retried\n")
    new = {job.id: job.task for job in app.store.jobs() if job.id not in before}
    assert set(done.stdout.split()) == set(new)
    assert sorted(new.values()) == ["report.day", "report.week"]
    (tmp_path / "mended").touch()
    assert cli("worker", "--burst", "-c", "1").returncode == 0
    assert {app.AsyncResult(id).state for id in new} == {"SUCCESS"}


def test_a_limit_leaves_the_others_for_the_next_call(cli: Cli, app: PyQueue) -> None:
    for left in (3, 1, 0):
        done = cli("retry", "--failed", "--limit", "2", "--forget")
        assert done.returncode == 0
        assert ("the others are left" in done.stderr) == (left > 0)
        assert len(app.failures()) == left


def test_a_dry_run_of_ids(cli: Cli, app: PyQueue) -> None:
    ids = {job.task: job.id for job in app.store.jobs()}
    done = cli("retry", "--dry-run", "--json", ids["report.day"], ids["report.fine"], "no-such-id")
    assert [job["id"] for job in json.loads(done.stdout)["would_retry"]] == [ids["report.day"]]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["some-id", "--error", "x"], "not both"),
        (["--dry-run"], "say which jobs"),
        (["--forget"], "say which jobs"),
        (["--since", "yesterday"], "'yesterday' is not a time above 0"),
        (["--state", "success"], "invalid choice"),
        (["--limit", "0"], "no whole number"),
    ],
    ids=str,
)
def test_wrong_use_is_one_line(cli: Cli, app: PyQueue, arguments: list[str], why: str) -> None:
    done = cli("retry", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
    assert why in done.stderr


def test_the_face_finds_and_replays(cli: Cli, app: PyQueue, tmp_path: Path) -> None:
    old = app.failures(task="report.*", error="Timeout*")
    assert [result.state for result in old] == ["FAILURE", "FAILURE"]
    new = app.replay(task="report.*", error="Timeout*", state="failed")
    dead = app.failures(state="dead")[0].replay()
    (tmp_path / "mended").touch()
    assert cli("worker", "--burst", "-c", "1").returncode == 0
    assert [result.state for result in [*new, dead]] == ["SUCCESS"] * 3
    assert [result.state for result in old] == ["FAILURE", "FAILURE"]
    assert len(app.failures(since=3600)) == 5
    assert len(app.failures(since=datetime.now(UTC) - timedelta(hours=1))) == 5
    assert app.failures(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(app.failures(limit=2)) == 2


def test_what_can_not_be_replayed_says_why(app: PyQueue) -> None:
    ids = {job.task: job.id for job in app.store.jobs()}
    with pytest.raises(InvalidJob, match="is success: only what failed or is dead can be retried"):
        app.AsyncResult(ids["report.fine"]).replay()
    with pytest.raises(InvalidJob, match="is unknown: "):
        app.AsyncResult("no-such-id").replay()
    with pytest.raises(InvalidJob, match="was failed or dead, not 'success'"):
        app.failures(state="success")  # type: ignore[arg-type]


def test_a_replay_in_place_runs_at_once(tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "other.db")
    well: list[int] = []

    @app.task(name="moody")
    def moody() -> int:
        return 1 // len(well)

    with app.testing(propagate=False):
        moody.delay()
        well.append(1)
        (again,) = app.replay(task="moo*")
        assert again.get(timeout=5) == 1
