"""Filters as people write them, and what an app does with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from pyqueue import PyQueue
from pyqueue._core import Selection
from pyqueue.exceptions import InvalidFilter, InvalidJob
from pyqueue.where import exactly, where

NOW = 10_000_000_000


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("", []),
        ("task=report.* queue!=mail", [("task", True, "report.*"), ("queue", False, "mail")]),
        (" key = 'c 7'  ", [("key", True, "c 7")]),
        ('task="a=b"', [("task", True, "a=b")]),
        ("key=a=b", [("key", True, "a=b")]),
        ("key='=a,queue=b' task=a,b", [("key", True, "=a,queue=b"), ("task", True, "a,b")]),
        ("key = 'a=b' queue=it's", [("key", True, "a=b"), ("queue", True, "it's")]),
        ("age>1h", [("made_us", False, NOW - 3_600_000_000)]),
        ("age<30s", [("made_us", True, NOW - 30_000_000)]),
        ("age<=30s", [("made_us", True, NOW - 30_000_000)]),
        ("age>=30s", [("made_us", False, NOW - 30_000_000)]),
        ("state!=running", [("state", False, "running")]),
        ("priority>=5", [("priority", True, 5)]),
        ("priority>5", [("priority", True, 6)]),
        ("priority<-5", [("priority", False, -5)]),
        ("retries<=2", [("retries", False, 3)]),
        ("retries=2", [("retries", True, 2), ("retries", False, 3)]),
    ],
)
def test_a_filter_is_read(text: str, core: list[object]) -> None:
    assert where(text).core(NOW) == core


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("report", "is no condition"),
        ("task", "is no condition"),
        ("=x", "told apart by ''"),
        ("color=red", "told apart by 'color'"),
        ("task>x", "by = or !="),
        ("age=1h", "by > or <"),
        ("age>soon", "is not a time"),
        ("priority=high", "a whole number"),
        ("priority!=1", "a whole number"),
        ("state=asleep", "no state 'asleep'"),
        ("task!= queue=mail", "task!= has no value before 'queue=mail'"),
        ("age> state=waiting", "age> has no value before 'state=waiting'"),
        ("task==a", "== is no comparison"),
        ("priority=>5", "=> is no comparison"),
        ("task=a,queue=b", "parted by spaces: task=a queue=b"),
        ("task=a;state=waiting", "parted by spaces"),
        ("task=", "is no condition"),
        ('task="', "is no condition"),
        ('task="a b', "is no condition"),
        ("key='a\"", "is no condition"),
        ('task!=""', "task!= has no value"),
    ],
)
def test_what_is_none_is_said_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(InvalidFilter, match=said) as caught:
        where(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["state=dead", "error=ValueError"])
def test_what_has_ended_is_no_job_to_be_changed(text: str) -> None:
    with pytest.raises(InvalidFilter, match=r"ended"):
        where(text).core(NOW)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("task=report", {"task": "report"}),
        ("queue=mail", {"queue": "mail"}),
        ("task=report.*", {"fits": ("report.*", None, None)}),
        ("key=k", {"fits": (None, None, "k")}),
        ("task=report queue=mail", {"fits": ("report", "mail", None)}),
    ],
)
def test_a_pause_is_of_a_task_a_queue_or_a_pattern(text: str, scope: object) -> None:
    assert where(text).scope() == scope


@pytest.mark.parametrize("text", ["", "age>1h", "task!=a", "state=waiting", "task=a task=b"])
def test_a_pause_says_what_jobs_to_come_are_known_by(text: str) -> None:
    with pytest.raises(InvalidFilter):
        where(text).scope()


@pytest.fixture
def filled(app: PyQueue) -> PyQueue:
    for number in range(3):
        app.send_task("report.build", (number,), dedup_key=f"c7:{number}")
    app.send_task("mail.send", (), queue="mail")
    return app


def test_an_app_changes_many_jobs_at_once(filled: PyQueue) -> None:
    reports = filled.jobs("task=report.*")
    assert (reports.count(), filled.jobs().count()) == (3, 4)
    handles = reports.list()
    assert [job.state for job in handles] == ["PENDING"] * 3
    assert reports.move("slow").done == 3
    assert reports.set_priority(-3).done == 3
    assert {(job.queue, job.priority) for job in filled.store.jobs(task="report.*")} == {("slow", -3)}
    assert filled.jobs("key=c7:1").cancel() == (1, 0, 0, 0)
    assert [job.state for job in handles] == ["PENDING", "REVOKED", "PENDING"]
    with pytest.raises(InvalidFilter):
        filled.jobs("state=dead")
    with pytest.raises(InvalidJob):
        reports.move("")
    for number in (128, -129):
        with pytest.raises(InvalidJob, match=f"-128 to 127, not {number}"):
            reports.set_priority(number)


def test_an_app_pauses_and_lets_out(filled: PyQueue) -> None:
    assert filled.pause("task=report.*", reason="why", author="me") == 0
    [gate] = filled.gates()
    assert (gate.scope, gate.task, gate.shut, gate.reason, gate.author) == (
        "fits",
        "report.*",
        True,
        "why",
        "me",
    )
    worker = filled.store.join("w", 1, 60_000_000)
    assert [job.task for job in filled.store.claim(worker, 9)] == ["mail.send"]
    assert filled.resume("task=report.*", rate="1/h")
    assert len(filled.store.claim(worker, 9)) == 1
    assert filled.gates()[0].rate_us == 3_600_000_000
    assert filled.resume("task=report.*")
    assert not filled.resume("task=report.*")
    assert len(filled.store.claim(worker, 9)) == 2
    assert filled.gates() == []
    with pytest.raises(ValueError, match="a rate is"):
        filled.resume("task=report.*", rate="often")
    with pytest.raises(ValueError, match="no signal"):
        filled.pause("task=report.*", running=True, signal="LOUD")


def test_what_runs_gives_way_and_its_attempt_does_not_count(filled: PyQueue) -> None:
    worker = filled.store.join("w", 1, 60_000_000)
    [taken] = filled.store.claim(worker, 1)
    assert filled.pause("task=report.*", running=True) == 1
    from pyqueue._core import Failure, Outcome

    filled.store.finish([(taken, Outcome.failure(Failure("E", "told to end")))])
    assert filled.AsyncResult(taken.id).state == "PENDING"
    assert filled.store.attempts(taken.id) == []


def test_numbers_at_the_edges_are_refused_in_a_sentence(filled: PyQueue) -> None:
    jobs = filled.jobs()
    assert (len(jobs.list(2)), jobs.list(0), jobs.list(-1)) == (2, [], [])
    assert Selection(filled.store, []).list(0) == []
    for wrong in (-129, 128, 10**12):
        with pytest.raises(InvalidJob, match="from -128 to 127"):
            jobs.set_priority(wrong)
    assert {job.priority for job in filled.store.jobs()} == {0}
    for grace in (float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError, match="grace of"):
            filled.pause("task=report.*", running=True, grace=grace)
        with pytest.raises(ValueError, match="grace of"):
            jobs.cancel(running=True, grace=grace)
    assert filled.gates() == []


def test_the_pattern_of_one_name_fits_no_other(app: PyQueue) -> None:
    names = ["m*", "m?", "m[a]", "ma", "m]", "mxx"]
    for name in names:
        app.send_task("t", queue=name)
    for name in names:
        [job] = Selection(app.store, [("queue", True, exactly(name))]).list()
        assert job.queue == name


def test_what_plain_sql_has_sent_is_among_the_jobs(app: PyQueue) -> None:
    app.store.queues()

    def send() -> None:
        with closing(sqlite3.connect(app.path)) as connection, connection:
            connection.execute(
                "INSERT INTO pyqueue_inbox(task, body) VALUES('sql', ?)", [b'{"v":1,"args":[],"kwargs":{}}']
            )

    send()
    assert app.jobs("task=sql").count() == 1
    send()
    assert len(app.jobs("task=sql").list()) == 2
    send()
    assert app.jobs("task=sql").cancel().done == 3
