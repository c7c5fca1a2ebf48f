"""The views say what the core says, keep their columns, and any SQLite reads them."""

from __future__ import annotations

import random
import re
import sqlite3
from pathlib import Path

import pytest
from known import DIED, DONE, Known, again, failed

from pyqueue._core import Gates
from pyqueue.cli.status import COUNTS
from pyqueue.cli.times import iso

PAGE = (Path(__file__).parent.parent.parent / "docs" / "sql.md").read_text()

COLUMNS = {
    "pyqueue_jobs_v1": "id task queue priority state enqueued run_at expires attempts retries losses worker dedup_key workflow "
    "arguments",
    "pyqueue_runs_v1": "number id task queue priority attempt outcome state enqueued started finished waited ran cpu memory error "
    "message worker workflow result arguments",
    "pyqueue_queues_v1": "queue paused waiting delayed parked prepared held running succeeded failed revoked retried lost",
    "pyqueue_workers_v1": "worker name pid slots running joined",
    "pyqueue_schedules_v1": "name source paused next due last job fired skipped",
    "pyqueue_workflows_v1": "workflow name state jobs made ended",
}
"""A promise: none of these goes, moves or changes its meaning. New ones come at the end, or in a _v2."""


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "app.db")


def busy(known: Known) -> None:
    """Jobs in every state, in several queues and priorities, some of them ended."""
    app, store = known.app, known.app.store
    for outcomes in ([DONE], [again("E"), DONE], [failed("E", "m")], [DIED]):
        known.life("t", outcomes=outcomes)
    app.send_task("mine", task_id="my own").revoke()
    dice = random.Random(7)
    for n in range(60):
        app.send_task(
            f"t{n % 3}",
            (n,),
            queue=dice.choice(["default", "mail", "a b"]),
            priority=dice.choice([-128, -1, 0, 9, 127]),
            countdown=dice.choice([None, None, 500]),
            dedup_key=dice.choice([None, f"key {n}"]),
        )
    Gates(store).pause(task="t1")
    jobs = store.claim(known.worker, 12)
    store.finish([(jobs[0], again("E")), (jobs[1], DONE)])
    Gates(store).pause(queue="a b")
    known.nightly()


def test_the_columns_are_those_of_version_1(known: Known) -> None:
    with sqlite3.connect(known.path) as file:
        views = {
            name: " ".join(row[1] for row in file.execute(f"PRAGMA table_info({name})"))
            for (name,) in file.execute(
                "SELECT name FROM sqlite_schema WHERE type='view' AND name LIKE '%\\_v_' ESCAPE '\\'"
            )
        }
    assert views == COLUMNS


def test_the_page_names_every_column() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {name for columns in COLUMNS.values() for name in columns.split()} <= named
    assert set(COLUMNS) <= named


def test_jobs_are_those_of_the_core(known: Known) -> None:
    busy(known)
    seen = {
        row[0]: row[1:]
        for row in known.ask(
            "SELECT id, task, queue, priority, state, attempts, retries, enqueued, run_at FROM pyqueue_jobs_v1"
        )
    }
    jobs = [
        job
        for state in ("waiting", "delayed", "parked", "running", "retrying", "held")
        for job in known.app.store.jobs(state=state, limit=1000)
    ]
    assert {job.state for job in jobs} >= {"waiting", "delayed", "parked", "running"}
    assert seen == {
        job.id: (
            job.task,
            job.queue,
            job.priority,
            job.state,
            job.attempts,
            job.retries,
            text(job.enqueued_us),
            text(job.run_at_us),
        )
        for job in jobs
    }


def text(instant_us: int | None) -> str | None:
    """As the views have it."""
    said = iso(instant_us)
    return None if said is None else said.replace("T", " ")[:23]


def test_runs_are_those_of_the_core(known: Known) -> None:
    busy(known)
    seen = known.ask(
        "SELECT id, task, state, finished, error, message FROM pyqueue_runs_v1 WHERE state IS NOT NULL"
    )
    ended = [
        job
        for state in ("success", "failed", "dead", "cancelled")
        for job in known.app.store.jobs(state=state, limit=1000)
    ]
    assert ("my own", "cancelled") in {(id, state) for id, _, state, *_ in seen}
    assert sorted(seen, key=repr) == sorted(
        ((job.id, job.task, job.state, text(job.finished_us), job.error, job.message) for job in ended),
        key=repr,
    )


def test_queues_are_those_of_the_core(known: Known) -> None:
    busy(known)
    seen = known.ask(f"SELECT queue, paused, {', '.join(COUNTS)} FROM pyqueue_queues_v1 ORDER BY queue")
    queues = known.app.store.queues()
    assert len(queues) == 3
    assert seen == [
        (queue.name, queue.paused, *(getattr(queue, name) for name in COUNTS)) for queue in queues
    ]
    for name in ("waiting", "delayed", "parked", "running", "succeeded", "failed", "revoked", "retried"):
        assert sum(getattr(queue, name) for queue in queues) > 0, name


def test_ids_of_any_place_and_number(known: Known) -> None:
    """Every bit of the row, the nonce and the file's own number comes to its place."""
    dice = random.Random(3)
    for file in (0, 1, 2**31, 2**32 - 1):
        known.ask("UPDATE pyqueue_meta SET value=? WHERE name='file_id'", file)
        known.app.store.close()
        known.ask("DELETE FROM pyqueue_history")
        for seq in range(50):
            row = (dice.randrange(1, 4096) << 51) | dice.randrange(2**51)
            known.ask(
                "INSERT INTO pyqueue_history(job, nonce, band, task, attempt, outcome, state, retries, enqueued, finished) "
                "VALUES(?, ?, ?, 't', 1, 0, 0, 0, 0, ?)",
                row,
                dice.choice([0, 2**27 - 1, dice.randrange(2**27)]),
                row >> 43,
                seq,
            )
        ids = [id for (id,) in known.ask("SELECT id FROM pyqueue_runs_v1 ORDER BY number")]
        assert ids == [event["uuid"] for event in known.app.events(types=["task-succeeded"])]
        assert all(known.app.store.view(id).state == "success" for id in ids)


def test_a_forgotten_job_has_no_id(known: Known) -> None:
    id = known.life("t", outcomes=[DONE])
    assert known.app.store.forget(id)
    assert known.ask("SELECT id, task, result FROM pyqueue_runs_v1") == [(None, "t", None)]


def test_schedules_and_workers(known: Known) -> None:
    known.app.schedules.add("tick", 60.0, "t")
    assert known.ask("SELECT name, paused, fired FROM pyqueue_schedules_v1") == [("tick", 0, 0)]
    [(worker, name, running)] = known.ask("SELECT worker, name, running FROM pyqueue_workers_v1")
    assert (worker, name, running) == (known.worker, "w1", 0)


def test_what_plain_sql_has_sent_is_a_job_that_waits(known: Known) -> None:
    known.ask("INSERT INTO pyqueue_inbox(id, task, body) VALUES('x', 't', CAST('{\"v\":1}' AS BLOB))")
    assert known.ask("SELECT id, state, enqueued, arguments FROM pyqueue_jobs_v1") == [
        ("x", "waiting", None, '{"v":1}')
    ]
