"""Killed anywhere, a transactional job has its effects once; the same job with a commit of its own has not."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from processes import until

APP = """
import os, signal, sqlite3
from pyqueue import PyQueue

app = PyQueue("jobs.db", embed=True, durability="normal")

@app.task(bind=True)
def steps(self, n):
    def step(at):
        if self.request.attempt == 1 and at == n:
            os.kill(os.getpid(), signal.SIGKILL)
    step(0)
    with self.transaction() as db:
        step(1)
        db.execute("INSERT INTO ledger VALUES(?)", (n,))
        step(2)
        follow.delay(n)
        step(3)
        db.execute("UPDATE balance SET amount = amount + 1")
        step(4)
        self.succeed(n)
        step(5)
    step(6)

@app.task(bind=True, transactional=True)
def follow(self, n):
    self.db.execute("INSERT INTO followed VALUES(?)", (n,))

def die(self, n, place):
    # Every hundredth call kills its process: in turn before, inside of and right after the transaction.
    if n % 100 == 0 and n // 100 % 3 == place and self.request.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)

@app.task(bind=True, max_losses=10_000)
def transfer(self, n):
    die(self, n, 0)
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES(?)", (n,))
        die(self, n, 1)
        db.execute("UPDATE balance SET amount = amount + ?", (n,))
    die(self, n, 2)

@app.task(bind=True, max_losses=10_000)
def plain_transfer(self, n):
    die(self, n, 0)
    db = sqlite3.connect("jobs.db", timeout=30, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO ledger VALUES(?)", (n,))
    die(self, n, 1)
    db.execute("UPDATE balance SET amount = amount + ?", (n,))
    db.execute("COMMIT")
    db.close()
    die(self, n, 2)
"""

STEPS = range(7)
TRANSFERS = 2_000
KILLS = 15


@pytest.fixture
def ledger(project: Callable[[str], Any]) -> tuple[Any, Path]:
    """The app's module on a file with tables of its own, and the file."""
    made = project(APP)
    with closing(sqlite3.connect(made.db)) as db:
        db.execute("CREATE TABLE ledger(n INTEGER)")
        db.execute("CREATE TABLE followed(n INTEGER)")
        db.execute("CREATE TABLE balance(amount INTEGER)")
        db.execute("INSERT INTO balance VALUES(0)")
        db.commit()
    return made.load(), made.db


def column(file: Path, sql: str) -> list[int]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as db:
        return [value for (value,) in db.execute(sql)]


def test_killed_between_any_two_statements_the_effects_are_there_once(
    ledger: tuple[Any, Path], worker: Callable[..., Any]
) -> None:
    module, file = ledger
    calls = [module.steps.delay(n) for n in STEPS]
    worker("-A", module.__name__, "-c", "1")
    assert [call.get(timeout=30) for call in calls] == list(STEPS)
    for n, call in enumerate(calls):
        # After the commit there is no job that could be lost.
        expected = ["success"] if n == 6 else ["lost", "success"]
        assert [attempt.outcome for attempt in call.attempts()] == expected, n
    assert sorted(column(file, "SELECT n FROM ledger")) == list(STEPS)
    assert column(file, "SELECT amount FROM balance") == [len(STEPS)]
    until(lambda: len(column(file, "SELECT n FROM followed")) >= len(STEPS), what="what follows has run")
    assert sorted(column(file, "SELECT n FROM followed")) == list(STEPS)
    assert not module.app.store.examine()


def kill_children(
    worker: Callable[..., Any], ledger: tuple[Any, Path], task: str, transfers: int, kills: int
) -> tuple[int, int]:
    """Kills a child whenever some jobs more have had their effects, beside those that kill theirs themselves.

    (effects, their sum) when all jobs have ended.
    """
    module, file = ledger
    dice = random.Random(6)
    calls = module.app.enqueue_many(getattr(module, task).s(n) for n in range(1, transfers + 1))
    handle = worker("-A", module.__name__, "-c", "2")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as db:

        def effects() -> int:
            found: int = db.execute("SELECT count(*) FROM ledger").fetchone()[0]
            return found

        for number in range(kills):
            goal = (number + dice.random()) * transfers / (kills + 1)
            until(lambda goal=goal: effects() >= goal, timeout=60, what=f"{goal} effects")  # type: ignore[misc]
            alive = until(handle.children)
            with suppress(ProcessLookupError):
                os.kill(dice.choice(alive), signal.SIGKILL)
        for call in calls:
            call.get(timeout=60)
        count, total = db.execute("SELECT count(*), sum(n) FROM ledger").fetchone()
        assert db.execute("SELECT amount FROM balance").fetchone() == (total,)
    lost = sum(attempt.outcome == "lost" for call in calls for attempt in call.attempts())
    assert lost > 0, "no kill hit a job"
    assert not module.app.store.examine()
    return count, total


def test_two_children_and_random_kills_sum_up_exactly(
    ledger: tuple[Any, Path], worker: Callable[..., Any]
) -> None:
    count, total = kill_children(worker, ledger, "transfer", TRANSFERS, KILLS)
    assert (count, total) == (TRANSFERS, TRANSFERS * (TRANSFERS + 1) // 2)


def test_control_a_commit_of_ones_own_before_the_ack_doubles_effects(
    ledger: tuple[Any, Path], worker: Callable[..., Any]
) -> None:
    count, _ = kill_children(worker, ledger, "plain_transfer", 500, 5)
    assert count > 500
