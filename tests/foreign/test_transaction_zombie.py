"""A worker that slept longer than its lease can't commit: LeaseLost, and no row of its own is left."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from processes import send, stop, tree, until, worker, write_app

from pyqueue import PyQueue
from pyqueue._core import Store

APP = """
import os, sqlite3, time
from pathlib import Path
from pyqueue import PyQueue
from pyqueue.exceptions import LeaseLost

app = PyQueue("jobs.db", embed=True, durability="normal", visibility_timeout=1)

def wait_for(name):
    Path(f"{name}-{os.getpid()}-waits").touch()
    while not os.path.exists(f"{name}-{os.getpid()}"): time.sleep(0.005)

@app.task(bind=True)
def pay(self):
    wait_for("outside")
    try:
        with self.transaction() as db:
            db.execute("INSERT INTO ledger VALUES(?)", (os.getpid(),))
            made.delay()
            self.succeed(os.getpid())
            wait_for("inside")
    except BaseException as error:
        Path(f"ended-{os.getpid()}").write_text(type(error).__name__)
        raise
    Path(f"ended-{os.getpid()}").write_text("committed")

@app.task
def plain():
    wait_for("outside")
    db = sqlite3.connect("jobs.db", timeout=30)
    db.execute("INSERT INTO ledger VALUES(?)", (os.getpid(),))
    db.commit()
    db.close()
    Path(f"ended-{os.getpid()}").write_text("committed")
    return os.getpid()

@app.task
def made(): pass
"""


def prepare(folder: Path) -> PyQueue:
    write_app(folder, APP)
    with closing(sqlite3.connect(folder / "jobs.db")) as db:
        db.execute("CREATE TABLE ledger(pid INTEGER)")
        db.commit()
    return PyQueue(folder / "jobs.db", embed=True, durability="normal")


def paid(folder: Path) -> list[int]:
    with closing(sqlite3.connect(f"file:{folder / 'jobs.db'}?mode=ro", uri=True, timeout=30)) as db:
        return [pid for (pid,) in db.execute("SELECT pid FROM ledger ORDER BY rowid")]


def living(store: Store) -> set[int]:
    return {worker.pid for worker in store.workers() if worker.alive}


def open_doors(folder: Path, child: int) -> None:
    for name in ("inside", "outside"):
        (folder / f"{name}-{child}").touch()


@pytest.mark.parametrize("b_is_done", [True, False], ids=["after its successor", "before its successor"])
@pytest.mark.parametrize("task", ["pay", "plain"])
def test_a_zombie_commits_nothing(tmp_path: Path, b_is_done: bool, task: str) -> None:
    app = prepare(tmp_path)
    with worker(tmp_path, "-c", "1") as a:
        call = app.send_task(f"app.{task}")
        mine = a.children[0]
        until((tmp_path / f"outside-{mine}-waits").exists, what="A runs the job")
        stop(tree(a.pid))
        with worker(tmp_path, "-c", "1") as b:
            theirs = b.children[0]
            until((tmp_path / f"outside-{theirs}-waits").exists, what="B took the job over")
            if b_is_done:
                open_doors(tmp_path, theirs)
                assert call.get(timeout=10) == theirs
            open_doors(tmp_path, mine)
            send(signal.SIGCONT, [mine])
            ended = tmp_path / f"ended-{mine}"
            until(lambda: ended.exists() and ended.read_text(), what="the zombie came to its end")
            if task == "plain":
                # The control arm: a commit of its own asks nobody.
                assert ended.read_text() == "committed"
                assert mine in paid(tmp_path)
            else:
                assert ended.read_text() == "LeaseLost"
                assert paid(tmp_path) == ([theirs] if b_is_done else [])
            send(signal.SIGCONT, [a.pid])
            until(lambda: living(app.store) == {a.pid, b.pid}, what="A entered the file anew")
            open_doors(tmp_path, theirs)
            assert call.get(timeout=10) == theirs
            assert [attempt.outcome for attempt in call.attempts()] == ["lost", "success"]
            if task == "pay":
                assert paid(tmp_path) == [theirs]
                assert len(app.store.jobs(task="app.made")) == 1


def test_stopped_inside_of_the_block_it_keeps_the_lock_and_the_job(tmp_path: Path) -> None:
    app = prepare(tmp_path)
    with worker(tmp_path, "-c", "1") as a, worker(tmp_path, "-c", "1", "-Q", "other") as b:
        call = app.send_task("app.pay")
        mine = a.children[0]
        (tmp_path / f"outside-{mine}").touch()
        until((tmp_path / f"inside-{mine}-waits").exists, what="A is inside of the block")
        stop(tree(a.pid))
        deadline = os.times().elapsed + 1.5
        until(lambda: os.times().elapsed > deadline, what="the lease is over")
        assert paid(tmp_path) == []
        open_doors(tmp_path, mine)
        send(signal.SIGCONT, tree(a.pid))
        assert call.get(timeout=10) == mine
        assert paid(tmp_path) == [mine]
        assert [attempt.outcome for attempt in call.attempts()] == ["success"]
        assert b.process.poll() is None


def test_killed_while_stopped_inside_the_job_is_anothers_and_no_row_is_left(tmp_path: Path) -> None:
    app = prepare(tmp_path)
    with worker(tmp_path, "-c", "1") as a:
        call = app.send_task("app.pay")
        mine = a.children[0]
        (tmp_path / f"outside-{mine}").touch()
        until((tmp_path / f"inside-{mine}-waits").exists, what="A is inside of the block")
        everybody = tree(a.pid)
        stop(everybody)
        send(signal.SIGKILL, everybody)
        with worker(tmp_path, "-c", "1") as b:
            theirs = b.children[0]
            open_doors(tmp_path, theirs)
            assert call.get(timeout=10) == theirs
            assert paid(tmp_path) == [theirs]
