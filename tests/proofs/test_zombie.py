"""A worker that slept longer than its lease can write nothing about the job any more."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from processes import Worker, send, stop, tree, until, worker, write_app

from pyqueue import PyQueue
from pyqueue._core import Failure, LeaseLost, NewJob, Outcome, Store

APP = """
import os, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal", visibility_timeout=1)

@app.task
def hold():
    Path(f"started-{os.getpid()}").touch()
    while not os.path.exists(f"door-{os.getpid()}"): time.sleep(0.005)
    Path(f"ended-{os.getpid()}").touch()
    return os.getpid()

@app.task
def pid(): return os.getpid()
"""

LEASE_US = 200_000
FAILURE = Failure("builtins.OSError", "late")


def facts(db: Path) -> dict[str, list[Any]]:
    """All that the file says about jobs, leases and attempts."""
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM pyqueue_{table} ORDER BY 1").fetchall()
            for table in ("job", "side", "lease", "history")
        }


@pytest.mark.parametrize("b_is_done", [True, False], ids=["after its successor", "before its successor"])
def test_a_worker_stopped_past_its_lease_changes_nothing(tmp_path: Path, b_is_done: bool) -> None:
    write_app(tmp_path, APP)
    db = tmp_path / "jobs.db"
    app = PyQueue(db, durability="normal")
    with worker(tmp_path, "-c", "1") as a:
        a_tree = tree(a.pid)
        a_child = a_tree[1]
        held = app.send_task("app.hold")
        until((tmp_path / f"started-{a_child}").exists, what="A runs the job")
        stop(a_tree)
        with worker(tmp_path, "-c", "1") as b:
            b_child = b.children[0]
            until((tmp_path / f"started-{b_child}").exists, what="B took the job over")
            if b_is_done:
                (tmp_path / f"door-{b_child}").touch()
                assert held.get(timeout=10) == b_child
            before = facts(db)
            wake(tmp_path, a, a_child)
            until(lambda: living(app.store) == {a.pid, b.pid}, what="A entered the file anew")
            assert facts(db) == before
            (tmp_path / f"door-{b_child}").touch()
            assert held.get(timeout=10) == b_child
            assert [attempt.outcome for attempt in held.attempts()] == ["lost", "success"]
            b.process.send_signal(signal.SIGTERM)
            assert b.wait(10) == 0
        # A works on: alone again, it gets a later job done.
        until(lambda: a.children and a.children != [a_child], what="A's child started anew")
        assert app.send_task("app.pid").get(timeout=10) in a.children


def wake(folder: Path, zombie: Worker, child: int) -> None:
    """The child alone first: its outcome lies in the pipe when the supervisor wakes and learns the truth."""
    (folder / f"door-{child}").touch()
    send(signal.SIGCONT, [child])
    until((folder / f"ended-{child}").exists, what="the zombie's child came to its end")
    send(signal.SIGCONT, [zombie.pid])
    until(lambda: "taken for dead" in zombie.log.read_text(), what="the zombie noticed")


def living(store: Store) -> set[int]:
    return {worker.pid for worker in store.workers() if worker.alive}


def taken_over(db: Path) -> tuple[Store, Any, Any]:
    """A store whose one job was claimed, reaped and claimed again: (store, old job, new job)."""
    store = Store(str(db), durability="normal")
    store.enqueue([NewJob("app.pid", b"[]")])
    first = store.join("first", 1, 60_000_000)
    [old] = store.claim(first, 1, visibility_us=LEASE_US)
    until(lambda: store.reap() or store.view(old.id).state == "waiting", what="the job is taken back")
    second = store.join("second", 1, 60_000_000)
    [new] = store.claim(second, 1)
    assert new.id == old.id
    assert new.token > old.token
    return store, old, new


def test_a_stale_token_changes_nothing_while_another_runs_the_job_and_after(tmp_path: Path) -> None:
    db = tmp_path / "jobs.db"
    store, old, new = taken_over(db)
    late = [
        Outcome.success(b"late"),
        Outcome.failure(FAILURE),
        Outcome.retry(0, FAILURE),
        Outcome.given_back(),
    ]
    for _ in ("while it runs", "after it has ended"):
        before = facts(db)
        for outcome in late:
            with pytest.raises(LeaseLost):
                store.finish([(old, outcome)])
        with pytest.raises(LeaseLost):
            store.extend(old, 1_000_000)
        # The reaper has recorded this loss already: the same write again is no error, and no second loss.
        store.finish([(old, Outcome.lost("late"))])
        assert facts(db) == before
        if store.view(new.id).state == "running":
            store.finish([(new, Outcome.success(b"new"))])
    assert store.view(new.id).body == b"new"
    assert [attempt.outcome for attempt in store.attempts(new.id)] == ["lost", "success"]


def test_an_extension_that_was_interrupted_is_not_called_a_lost_lease(tmp_path: Path) -> None:
    def ring(*_: object) -> None:
        raise InterruptedError

    db = tmp_path / "jobs.db"
    store, _, new = taken_over(db)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        with closing(sqlite3.connect(db, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(InterruptedError):
                store.extend(new, 60_000_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    store.finish([(new, Outcome.success(b"new"))])


def test_control_a_late_write_without_a_token_is_seen(tmp_path: Path) -> None:
    db, copy = tmp_path / "jobs.db", tmp_path / "copy.db"
    store, _, new = taken_over(db)
    store.finish([(new, Outcome.success(b"new"))])
    with closing(sqlite3.connect(db)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    before = facts(copy)
    assert before == facts(db)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE pyqueue_history SET result=? WHERE outcome=0", (b"late",))
    assert facts(copy) != before
