"""``move``, ``priority``, ``cancel``, ``purge``, ``retry`` and ``list`` by ``--where``."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pyqueue import PyQueue

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Terminal = Callable[..., tuple[int, str]]


@pytest.fixture
def app(app: PyQueue) -> PyQueue:
    """With three reports, one of which runs, and a mail."""
    first = app.send_task("report.build", (0,))
    worker = app.store.join("w", 1, 60_000_000)
    assert [job.id for job in app.store.claim(worker, 1)] == [first.id]
    app.enqueue_many([app.signature("report.build", (number,)) for number in (1, 2)])
    app.send_task("mail.send", (), queue="mail")
    return app


def places(app: PyQueue) -> list[tuple[str, str, int]]:
    jobs = app.store.jobs()
    return sorted((job.state, job.queue, job.priority) for job in jobs if job.task == "report.build")


def test_jobs_are_moved_and_what_runs_is_left(cli: Cli, app: PyQueue) -> None:
    done = cli("move", "--where", "task=report.*", "--to", "slow")
    assert (done.returncode, done.stdout) == (1, "2 moved\n")
    assert done.stderr == "pyqueue: 1 run and were left alone\n"
    assert places(app) == [("delayed", "slow", 0)] * 0 + [
        ("running", "default", 0),
        *[("waiting", "slow", 0)] * 2,
    ]
    again = cli("move", "--where", "task=report.* state!=running", "--to", "default", "--json")
    assert (again.returncode, json.loads(again.stdout)["moved"]) == (0, 2)


def test_a_priority_is_given(cli: Cli, app: PyQueue) -> None:
    assert cli("priority", "-10", "--where", "task=report.* state=waiting").stdout == "2 changed\n"
    assert [priority for *_, priority in places(app)] == [0, -10, -10]
    assert cli("priority", "128", "--where", "").returncode == 64
    assert cli("priority", "1", "--where", "task=none").returncode == 69


@pytest.mark.parametrize("command", [("move", "--to", "slow"), ("priority", "5"), ("cancel",), ("purge",)])
def test_a_dry_run_says_what_it_would_be_and_does_nothing(
    cli: Cli, app: PyQueue, command: tuple[str, ...]
) -> None:
    before = places(app)
    done = cli(*command, "--where", "task=report.* state=waiting", "--dry-run")
    assert (done.returncode, done.stdout.count("report.build")) == (0, 2)
    assert done.stderr.startswith("pyqueue: 2 would be ")
    told = json.loads(cli(*command, "--where", "task=report.*", "--dry-run", "--json").stdout)
    assert told["count"] == (2 if command == ("purge",) else 3)
    assert places(app) == before


@pytest.mark.parametrize(
    "command", [("move", "--to", "slow"), ("priority", "5"), ("cancel",), ("purge", "--force")]
)
@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_filter_is_not_every_job(
    cli: Cli, app: PyQueue, command: tuple[str, ...], blank: str
) -> None:
    before = places(app)
    for more in ((), ("--dry-run",)):
        done = cli(*command, "--where", blank, *more)
        assert (done.returncode, done.stdout) == (64, "")
        assert "task=*" in done.stderr
    assert places(app) == before
    assert cli(*command, "--where", "task=*", "--dry-run").returncode == 0


@pytest.mark.parametrize("name", ["mail", "a*b", "a[1]", "wh?t", 'q"uote', 'it\'s "both"', "[", "new\nline"])
def test_a_dry_purge_of_a_queue_is_about_the_one_of_that_name(cli: Cli, app: PyQueue, name: str) -> None:
    for queue in (name, "a and b", "a1", "what"):
        app.send_task("t", (), queue=queue)
    told = json.loads(cli("purge", name, "--dry-run", "--json").stdout)
    assert (told["count"], {job["queue"] for job in told["first"]}) == (1 + (name == "mail"), {name})
    assert json.loads(cli("purge", name, "--force", "--json").stdout)["cancelled"] == told["count"]
    for more in ("--dry-run", "--force"):
        assert cli("purge", "no such queue", more).returncode == 69


def test_jobs_are_cancelled_and_those_that_run_if_that_is_meant(cli: Cli, app: PyQueue) -> None:
    done = cli("cancel", "--where", "task=report.*", "--running")
    assert (done.returncode, done.stdout) == (0, "2 cancelled, 1 asked to end\n")
    assert len(app.store.jobs(state="cancelled")) == 2
    assert cli("cancel", "--where", "task=report.* state=waiting").returncode == 69
    assert cli("cancel").returncode == 64
    assert cli("cancel", "--where", "task=a", "some-id").returncode == 64


def test_a_purge_by_a_filter_asks_too_and_leaves_what_runs(
    cli: Cli, terminal: Terminal, app: PyQueue
) -> None:
    assert cli("purge", "--where", "task=report.*").returncode == 64
    code, shown = terminal("purge", "--where", "task=report.*", typed=b"n\n")
    assert "Cancel all 2 jobs that fit?" in shown
    assert (code, len(places(app))) == (1, 3)
    done = cli("purge", "--where", "task=report.*", "--force")
    assert (done.returncode, done.stdout) == (0, "2 cancelled\n")
    told = json.loads(cli("status", "--json").stdout)["totals"]
    assert (told["failed"], told["revoked"]) == (0, 2)
    assert "revoked" in cli("status").stdout


def test_a_pause_of_a_queue_that_nobody_has_used_says_so(cli: Cli, app: PyQueue) -> None:
    for new, said in (("mail", ""), ("mial", "no worker has used queue mial")):
        done = cli("pause", "--queue", new)
        assert (done.returncode, said in done.stderr, bool(done.stderr)) == (0, True, bool(said))


def test_ended_jobs_are_retried_by_a_filter(cli: Cli, app: PyQueue) -> None:
    from pyqueue._core import Failure, Outcome

    worker = app.store.join("v", 1, 60_000_000)
    for job in app.store.claim(worker, 9):
        app.store.finish([(job, Outcome.failure(Failure("builtins.ValueError", "no")))])
    done = cli("retry", "--where", "task=report.* error=ValueError age<1h")
    assert (done.returncode, done.stderr) == (0, "pyqueue: 2 retried\n")
    for wrong in ("key=a", "age>1h", "task=a task=b", "priority=1"):
        assert cli("retry", "--where", wrong).returncode == 64, wrong


def test_a_list_has_what_fits(cli: Cli, app: PyQueue) -> None:
    told = json.loads(cli("list", "--where", "state=waiting queue=default", "--json").stdout)
    assert [job["task"] for job in told["jobs"]] == ["report.build"] * 2
    assert cli("list", "--where", "task=a", "--queue", "mail").returncode == 64


def test_a_pause_that_would_stop_everything_is_asked_for(cli: Cli, terminal: Terminal, app: PyQueue) -> None:
    for everything in ("task=*", "queue=*", "task=* queue=*"):
        refused = cli("pause", "--where", everything)
        assert (refused.returncode, "--yes" in refused.stderr) == (64, True), everything
    code, shown = terminal("pause", "--queue", "*", typed=b"\n")
    assert (code, "could start any more" in shown) == (1, True)
    assert app.gates() == []
    assert cli("pause", "--queue", "mail").returncode == 0
    # Now the other one is all that is left.
    assert cli("pause", "--queue", "default").returncode == 64
    assert cli("pause", "--queue", "default", "--yes").returncode == 0


def test_a_dry_pause_counts(cli: Cli, app: PyQueue) -> None:
    assert cli("pause", "--task", "report.*", "--dry-run").stderr == (
        "pyqueue: 3 would be paused, and those that come later\n"
    )
    assert app.gates() == []


def test_a_resume_of_what_was_not_paused_says_so(cli: Cli, app: PyQueue) -> None:
    app.pause("task=report.*")
    done = cli("resume", "--task", "report.build")
    assert (done.returncode, done.stderr) == (
        0,
        "pyqueue: it was not paused by these words; what is paused is shown by pyqueue status\n",
    )
    assert cli("resume", "--task", "a", "--rate", "often").returncode == 64


@pytest.mark.parametrize("wrong", ["", " ", "task=", "task!=", "task!=''", "task!= queue=mail", 'task="'])
@pytest.mark.parametrize(
    "command", [("move", "--to", "slow"), ("priority", "5"), ("cancel",), ("purge", "--force")]
)
def test_a_filter_that_lacks_something_changes_nothing(
    cli: Cli, app: PyQueue, command: tuple[str, ...], wrong: str
) -> None:
    before = places(app)
    done = cli(*command, "--where", wrong)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
    assert places(app) == before


def test_every_job_is_meant_where_that_is_said(cli: Cli, app: PyQueue) -> None:
    assert cli("purge", "--where", "task=*", "--force").stdout == "3 cancelled\n"


def test_a_queue_to_be_purged_is_named_and_no_pattern(cli: Cli, app: PyQueue) -> None:
    app.send_task("t", queue="ma*")
    assert cli("purge", "ma*", "--dry-run").stderr == "pyqueue: 1 would be cancelled\n"
    assert cli("purge", "ma*", "--force").stdout == "1 cancelled\n"
    assert [job.queue for job in app.store.jobs(state="waiting", queue="mail")] == ["mail"]


def test_what_plain_sql_has_sent_is_purged_too(cli: Cli, app: PyQueue) -> None:
    for purge in (
        lambda: cli("purge", "sql", "--force").stdout,
        lambda: f"{app.control.purge() - 3} cancelled\n",
    ):
        with closing(sqlite3.connect(app.path)) as connection, connection:
            body = b'{"v":1,"args":[],"kwargs":{}}'
            connection.execute("INSERT INTO pyqueue_inbox(task, body, queue) VALUES('t', ?, 'sql')", [body])
        assert purge() == "1 cancelled\n"
        assert app.jobs("queue=sql").count() == 0


def test_the_queue_of_what_is_retried_is_no_pattern(cli: Cli, app: PyQueue) -> None:
    done = cli("retry", "--where", "queue=ma*")
    assert (done.returncode, "known by its name" in done.stderr) == (64, True)
    assert cli("retry", "--where", "queue=mail").returncode == 0


def test_a_pattern_that_fits_every_queue_is_asked_for(cli: Cli, app: PyQueue) -> None:
    for everything in ("*a*", "[dm]*", "?*"):
        assert cli("pause", "--queue", everything).returncode == 64, everything
    for some in ("m*", "[^m]*", "mail*"):
        assert cli("pause", "--queue", some).returncode == 0, some
        assert cli("resume", "--queue", some).returncode == 0


def test_a_queue_that_is_not_there_is_not_everything(cli: Cli, tmp_path: Path) -> None:
    assert PyQueue(tmp_path / "jobs.db").store.queues() == []
    assert cli("pause", "--queue", "mail").returncode == 0
