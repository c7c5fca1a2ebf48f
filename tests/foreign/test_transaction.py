"""``self.transaction()``: a task's rows, its result, its end and the jobs it makes are committed together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from processes import until

from pyqueue import PyQueue
from pyqueue.exceptions import SoftTimeLimitExceeded, TaskFailed, TransactionError

APP = """
import asyncio, os, sqlite3, sys, threading, time
from pathlib import Path
from pyqueue import PyQueue, current_task
from pyqueue.exceptions import Ignore

app = PyQueue("jobs.db", embed=True, durability="normal")

@app.task(bind=True)
def pay(self, amount, then=None):
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES(?, ?)", (self.request.id, amount))
        if then:
            follow.delay(then)
        self.succeed(amount * 2)
        if then == "error":
            raise ValueError("rolled back")
    return "not this"

@app.task
def follow(what):
    return what

@app.task(bind=True)
async def pay_async(self, amount):
    async with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES(?, ?)", (self.request.id, amount))
        await asyncio.sleep(0)
        follow.delay("async")
        self.succeed(amount * 2)

@app.task(bind=True, transactional=True)
def whole(self, amount):
    self.db.execute("INSERT INTO ledger VALUES(?, ?)", (self.request.id, amount))
    if amount < 0:
        raise ValueError("rolled back")
    return amount * 2

@app.task
def unbound(amount):
    with current_task.transaction() as db:
        db.execute("INSERT INTO ledger VALUES(?, ?)", ("unbound", amount))

@app.task(bind=True, max_retries=5, default_retry_delay=0)
def afterwards(self, how):
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES(?, 1)", (self.request.id,))
        self.succeed("done")
    if how == "raise":
        raise ValueError("late")
    if how == "retry":
        self.retry()
    if how == "ignore":
        raise Ignore
    if how == "exit":
        sys.exit(3)
    if how == "again":
        with self.transaction() as db:
            db.execute("INSERT INTO ledger VALUES(?, 2)", (self.request.id,))

@app.task(bind=True)
def second_try(self):
    try:
        with self.transaction() as db:
            db.execute("INSERT INTO ledger VALUES('first', 1)")
            raise ValueError
    except ValueError:
        pass
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES('second', 1)")

@app.task(bind=True)
def savepoints(self):
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES('kept', 1)")
        db.execute("SAVEPOINT part")
        db.execute("INSERT INTO ledger VALUES('undone', 1)")
        db.execute("ROLLBACK TO part")
        db.execute("RELEASE part")

@app.task(bind=True)
def linger(self):
    with self.transaction(budget=0.05) as db:
        while not os.path.exists("door"):
            time.sleep(0.005)  # here

@app.task(bind=True)
def rows(self):
    with self.transaction() as db:
        db.row_factory = sqlite3.Row
        db.text_factory = bytes
        self.succeed(dict(db.execute("SELECT 'x' AS name").fetchone())["name"].decode())
        return "ignored"

@app.task(bind=True)
def unsaid(self):
    with self.transaction():
        return 5

@app.task(bind=True)
def unread(self):
    with self.transaction() as db:
        global left
        left = db.execute("SELECT value FROM json_each('[1,2,3]')")
        left.fetchone()

@app.task(bind=True, soft_time_limit=0.1)
def slow(self, where):
    if where == "inside":
        with self.transaction() as db:
            db.execute("INSERT INTO ledger VALUES('slow', 1)")
            while True: time.sleep(0.005)
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES('quick', 1)")
    while True: time.sleep(0.005)

def in_thread(db):
    caught = []
    def use():
        try:
            db.execute("SELECT 1")
        except Exception as error:
            caught.append(error)
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    raise caught[0]

def swallow(db):
    try:
        db.execute("INSERT OR ROLLBACK INTO ledger VALUES('taken', 1)")
    except sqlite3.IntegrityError:
        pass
    db.execute("INSERT INTO ledger VALUES('alone', 1)")

BAD = {
    "commit()": lambda db: db.commit(),
    "rollback()": lambda db: db.rollback(),
    "close()": lambda db: db.close(),
    "COMMIT by hand": lambda db: db.execute("COMMIT"),
    "COMMIT by hand can't": lambda db: db.cursor().execute("end transaction"),
    "ROLLBACK by hand": lambda db: db.execute("ROLLBACK"),
    "BEGIN by hand": lambda db: db.execute("BEGIN"),
    "executescript()": lambda db: db.executescript("SELECT 1"),
    "'with db:'": lambda db: db.__enter__(),
    "isolation_level": lambda db: setattr(db, "isolation_level", ""),
    "is inside of transaction() already": lambda db: current_task.transaction(),
    "another thread": in_thread,
    "budget is a number": None,
    "update_state()": lambda db: current_task.update_state(state="HALFWAY"),
    "has rolled this transaction back": swallow,
    "a second file": lambda db: db.execute("ATTACH 'other.db' AS other"),
    "pyqueue_job belongs": lambda db: db.execute("DELETE FROM pyqueue_job"),
    "pyqueue_lease belongs": lambda db: db.execute("UPDATE pyqueue_lease SET token=token+1"),
    "pyqueue_receipt belongs": lambda db: db.execute("INSERT INTO pyqueue_receipt(job, token) VALUES(1, 1)"),
    "pyqueue_history belongs": lambda db: db.execute("DROP TABLE pyqueue_history"),
    "pyqueue_side belongs": lambda db: db.execute("ALTER TABLE pyqueue_side ADD COLUMN mine"),
    "pyqueue_gate belongs": lambda db: db.execute("CREATE INDEX mine ON pyqueue_gate(name)"),
    "pyqueue_owner belongs": lambda db: db.execute(
        "CREATE TRIGGER mine AFTER INSERT ON pyqueue_owner BEGIN SELECT 1; END"),
    "pyqueue_mine belongs": lambda db: db.execute("CREATE TABLE pyqueue_mine(x)"),
}

@app.task(bind=True)
def misuse(self, how):
    with self.transaction(budget=1.0 if BAD[how] else "soon") as db:
        db.execute("INSERT INTO ledger VALUES('misuse', 1)")
        BAD[how](db)

@app.task(bind=True)
def misuse_caught(self, how):
    with self.transaction() as db:
        try:
            BAD[how](db)
        except Exception as error:
            self.succeed(type(error).__name__)
        db.execute("INSERT INTO ledger VALUES('caught', 1)")

@app.task(bind=True)
def left_open(self):
    self.transaction().__enter__().execute("INSERT INTO ledger VALUES('left', 1)")

@app.task(bind=True)
def kept(self):
    with self.transaction() as db:
        cursor = db.cursor()
    with open("kept", "w") as said:
        for use in (lambda: db.execute("INSERT INTO ledger VALUES('kept', 1)"), db.cursor,
                    lambda: cursor.execute("SELECT 1"), lambda: self.db):
            try:
                use()
            except Exception as error:
                print(type(error).__name__, file=said)

@app.task(bind=True)
def fork(self, how):
    with self.transaction() as db:
        db.execute("INSERT INTO ledger VALUES('parent', 1)")
        pid = os.fork()
        if pid == 0:
            with open("copy", "w") as said:
                for use in (lambda: db.execute("INSERT INTO ledger VALUES('copy', 1)"),
                            lambda: follow.delay("copy"), self.transaction):
                    try:
                        use()
                    except Exception as error:
                        print(type(error).__name__, file=said)
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            if how == "error":
                raise ValueError("rolled back")
        self.succeed(os.getpid())
"""

Worker = Callable[..., Any]


@pytest.fixture
def ledger(tmp_path: Path, project: Callable[[str], Any]) -> tuple[Any, Path]:
    """The app's module on a file with a table of its own, and the file."""
    made = project(APP)
    with closing(sqlite3.connect(made.db)) as db:
        db.execute("CREATE TABLE ledger(name TEXT UNIQUE, amount INTEGER)")
        db.execute("INSERT INTO ledger VALUES('taken', 0)")
        db.commit()
    return made.load(), made.db


def names(file: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT name FROM ledger WHERE amount<>0 ORDER BY rowid").fetchall()
    return [name for (name,) in found]


def start(worker: Worker, module: Any, *arguments: str) -> Any:
    return worker("-A", module.__name__, *(arguments or ("-c", "1")))


def test_rows_result_end_and_jobs_are_one_commit(ledger: tuple[Any, Path], worker: Worker) -> None:
    module, file = ledger
    paid = module.pay.apply_async((3, "yes"), link=module.follow.s())
    broken = module.pay.delay(4, "error")
    start(worker, module)
    assert paid.get(timeout=10) == 6
    with pytest.raises(ValueError, match="rolled back"):
        broken.get(timeout=10)
    assert names(file) == [paid.id]
    assert [attempt.outcome for attempt in paid.attempts()] == ["success"]
    # The link and what was made inside; nothing of the block that was rolled back.
    store, name = module.app.store, module.follow.name
    until(
        lambda: [job.state for job in store.jobs(task=name)] == ["success"] * 2, what="what follows has run"
    )
    assert [child.get(timeout=5) for child in paid.children] == ["yes"]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_the_other_ways_to_have_one(ledger: tuple[Any, Path], worker: Worker, pool: str) -> None:
    module, file = ledger
    calls = [
        module.pay_async.delay(1),
        module.whole.delay(2),
        module.unbound.delay(3),
        module.second_try.delay(),
        module.savepoints.delay(),
        module.unread.delay(),
    ]
    broken = module.whole.delay(-1)
    mapped = module.whole.map([5])
    handle = start(worker, module, "-c", "2", "-P", pool)
    assert [call.get(timeout=10) for call in calls] == [2, 4, None, None, None, None]
    with pytest.raises(ValueError, match="rolled back"):
        broken.get(timeout=10)
    made = mapped.delay()
    assert made.get(timeout=10) == [10]
    assert set(names(file)) == {calls[0].id, calls[1].id, "unbound", "second", "kept", made.id}
    assert "returned a value" not in handle.log.read_text()
    assert module.rows.delay().get(timeout=10) == "x"
    assert module.unsaid.delay().get(timeout=10) is None
    until(lambda: "returned a value" in handle.log.read_text(), what="the warning")
    assert module.pay.delay(9).get(timeout=10) == 18


@pytest.mark.parametrize("how", ["raise", "retry", "ignore", "exit", "again"])
def test_what_follows_the_commit_changes_nothing(ledger: tuple[Any, Path], worker: Worker, how: str) -> None:
    module, file = ledger
    call = module.afterwards.delay(how)
    handle = start(worker, module)
    assert call.get(timeout=10) == "done"
    # A later job of the only child: the log is complete.
    assert module.pay.delay(1).get(timeout=10) == 2
    assert names(file)[0] == call.id
    assert [attempt.outcome for attempt in call.attempts()] == ["success"]
    said = handle.log.read_text()
    assert f"{module.afterwards.name}[{call.id}]" in said
    assert "after its transaction had committed" in said
    assert ("asked for a retry" in said) is (how == "retry")


def test_misuse_is_told_and_leaves_nothing(ledger: tuple[Any, Path], worker: Worker) -> None:
    module, file = ledger
    calls = {how: module.misuse.delay(how) for how in module.BAD}
    start(worker, module)
    for how, call in calls.items():
        with pytest.raises(TransactionError) as caught:
            call.get(timeout=10)
        assert how in str(caught.value)
        assert [attempt.outcome for attempt in call.attempts()] == ["failure"]
    with pytest.raises(TransactionError, match="never left"):
        module.left_open.delay().get(timeout=10)
    assert names(file) == []
    # Nobody holds the write lock, and the next one begins anew.
    assert module.pay.delay(1).get(timeout=10) == 2
    assert module.kept.delay().get(timeout=10) is None
    kept = Path("kept")
    until(lambda: kept.exists() and kept.read_text().split() == ["TransactionError"] * 4, what="it has ended")
    assert len(names(file)) == 1
    assert not module.app.store.examine()


def test_misuse_that_is_caught_does_not_end_the_transaction(ledger: tuple[Any, Path], worker: Worker) -> None:
    module, file = ledger
    start(worker, module)
    assert module.misuse_caught.delay("COMMIT by hand").get(timeout=10) == "TransactionError"
    assert names(file) == ["caught"]
    # Rolled back by SQLite itself: what the task writes next must not stand alone.
    with pytest.raises(TransactionError):
        module.misuse_caught.delay("has rolled this transaction back").get(timeout=10)
    assert names(file) == ["caught"]


def test_a_forked_copy_touches_nothing(ledger: tuple[Any, Path], worker: Worker) -> None:
    module, file = ledger
    handle = start(worker, module)
    # The copy has left the block, and that has committed nothing.
    with pytest.raises(ValueError, match="rolled back"):
        module.fork.delay("error").get(timeout=10)
    assert names(file) == []
    assert module.fork.delay("well").get(timeout=10) in handle.children()
    assert Path("copy").read_text().split() == ["TransactionError"] * 3
    assert names(file) == ["parent"]
    assert module.app.store.jobs(task=module.follow.name) == []
    assert module.pay.delay(1).get(timeout=10) == 2
    assert not module.app.store.examine()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_the_soft_time_limit_rolls_back_inside_and_changes_nothing_after(
    ledger: tuple[Any, Path], worker: Worker, pool: str
) -> None:
    module, file = ledger
    handle = start(worker, module, "-c", "2", "-P", pool)
    with pytest.raises(SoftTimeLimitExceeded):
        module.slow.delay("inside").get(timeout=10)
    assert module.slow.delay("after").get(timeout=10) is None
    assert names(file) == ["quick"]
    # The result is there before the task has ended.
    until(lambda: "after its transaction had committed" in handle.log.read_text(), what="the task's end")


def test_a_block_over_its_budget_is_told_while_it_runs(ledger: tuple[Any, Path], worker: Worker) -> None:
    module, _ = ledger
    handle = start(worker, module)
    call = module.linger.delay()
    line = next(at for at, text in enumerate(APP.splitlines(), 1) if text.endswith("# here"))
    until(lambda: "inside of transaction()" in handle.log.read_text(), what="the warning")
    assert not call.ready()
    Path("door").touch()
    assert call.get(timeout=10) is None
    said = [text for text in handle.log.read_text().splitlines() if "inside of transaction()" in text]
    assert len(said) == 1
    assert f"{module.linger.name}[{call.id}]" in said[0]
    assert any(f"{module.__name__}.py:{at}, in linger" in said[0] for at in (line - 1, line))


def test_without_a_job_there_is_no_transaction(tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "jobs.db")

    @app.task(bind=True)
    def pay(self: Any) -> None:
        with self.transaction():
            pass

    @app.task(bind=True, transactional=True)
    def whole(self: Any) -> None:
        return None

    @app.task(bind=True)
    def lone(self: Any) -> None:
        self.succeed(1)

    with pytest.raises(TransactionError, match=r"called directly or by apply\(\)"):
        pay()
    with pytest.raises(TransactionError, match=r"called directly or by apply\(\)"):
        pay.apply(throw=True)
    with app.testing():
        for task in (pay, whole):
            with pytest.raises(TransactionError, match="runs in place"):
                task.delay()
        with pytest.raises(TransactionError, match="no transaction is open"):
            lone.delay()
    assert issubclass(TransactionError, Exception)
    assert not issubclass(TransactionError, TaskFailed)


def test_importing_the_app_does_not_load_it() -> None:
    import subprocess
    import sys

    code = (
        "import sys, pyqueue, pyqueue.worker.run_job; "
        "sys.exit('pyqueue.worker.transaction' in sys.modules or 'sqlite3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
