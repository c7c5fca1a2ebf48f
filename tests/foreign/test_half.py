"""Half messages with real senders that are killed, and real workers that ask."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import Check, PyQueue
from pyqueue.exceptions import AlreadySettled, CannotJoin, ImproperlyConfigured, InvalidJob
from pyqueue.result import AsyncResult

Eventually = Callable[..., None]

APP = """
import os, signal
from pathlib import Path
from pyqueue import Check, PyQueue
app = PyQueue("jobs.db")

def note(name, order):
    with open(name, "a") as log:
        log.write(f"{order}\\n")

@app.task(time_limit=20)
def ship(order):
    note("shipped", order)
    return order

@ship.check_back
def paid(order):
    note("asked", order)
    if Path("raise").exists(): raise ValueError("no idea")
    if Path("odd").exists(): return True
    if Path("unknown").exists(): return Check.UNKNOWN
    return Check.COMMIT if Path(f"paid-{order}").exists() else Check.ROLLBACK

@app.task(time_limit=0.5)
def slow(order): return order

@slow.check_back
async def slowly(order):
    first = not Path("asked").exists()
    note("asked", order)
    # The question for its stack, before it is killed, is a signal too.
    while first: signal.pause()
    return Check.COMMIT
"""
SENDER = """
import os, sys
from pathlib import Path
from app import app, ship
order, pays, dies = int(sys.argv[1]), sys.argv[2] == "pays", sys.argv[3] == "dies"
with app.prepare(ship.s(order), timeout=0.3) as half:
    if pays: Path(f"paid-{order}").touch()
    print(half.id, flush=True)
    if dies: os.kill(os.getpid(), 9)
    if not pays: raise ValueError("the card was refused")
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "sender.py").write_text(SENDER)
    return PyQueue(tmp_path / "jobs.db")


def sends(folder: Path, order: int, pays: bool, dies: bool) -> tuple[str, int]:
    """A sender's half message, and how the sender ended."""
    words = [str(order), "pays" if pays else "fails", "dies" if dies else "lives"]
    done = subprocess.run(
        [sys.executable, "sender.py", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return done.stdout.strip(), done.returncode


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def state(app: PyQueue, id: str) -> str:
    return app.store.view(id).state


def prepared(app: PyQueue, order: int, **options: Any) -> tuple[Any, AsyncResult[Any]]:
    """As the module's own app prepares it, in this process."""
    timeout = options.pop("timeout", 0.2)

    @app.task(name="app.ship")
    def ship(order: int) -> int:
        return order

    @ship.check_back
    def paid(order: int) -> Check:
        return Check.UNKNOWN

    half = app.prepare(ship.s(order).set(**options), timeout=timeout)
    return half, half.result


@pytest.mark.parametrize("pays", [True, False])
def test_a_sender_that_lives_decides_by_itself(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], pays: bool
) -> None:
    id, code = sends(tmp_path, 1, pays, dies=False)
    assert state(app, id) == ("waiting" if pays else "cancelled")
    assert code == (0 if pays else 1)
    worker("-c", "1")
    app.send_task("app.ship", [2]).get(timeout=20)
    assert lines(tmp_path / "shipped") == (["1", "2"] if pays else ["2"])
    assert lines(tmp_path / "asked") == []


@pytest.mark.parametrize("pays", [True, False])
def test_of_a_sender_that_was_killed_the_check_back_decides(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually, pays: bool
) -> None:
    id, code = sends(tmp_path, 1, pays, dies=True)
    assert (code, state(app, id)) == (-signal.SIGKILL, "prepared")
    worker("-c", "1")
    eventually(lambda: state(app, id) == ("success" if pays else "cancelled"))
    assert lines(tmp_path / "shipped") == (["1"] if pays else [])
    assert lines(tmp_path / "asked") == ["1"]


def test_nobody_starts_one_before_it_is_committed(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any]
) -> None:
    half, result = prepared(app, 1, timeout=3_600)
    worker("-c", "1")
    app.send_task("app.ship", [2]).get(timeout=20)
    assert lines(tmp_path / "shipped") == ["2"]
    assert "once its sender" in app.store.why(half.id)
    assert half.commit()
    assert not half.commit()
    assert result.get(timeout=20) == 1
    with pytest.raises(AlreadySettled, match="success"):
        half.rollback()


@pytest.mark.parametrize("trouble", ["raise", "odd", "unknown"])
def test_no_answer_is_asked_for_again(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually, trouble: str
) -> None:
    (tmp_path / trouble).touch()
    (tmp_path / "paid-1").touch()
    handle = worker("-c", "1")
    half, result = prepared(app, 1)
    eventually(lambda: len(lines(tmp_path / "asked")) > 1)
    assert state(app, half.id) == "prepared"
    (tmp_path / trouble).unlink()
    assert result.get(timeout=20) == 1
    log = handle.log.read_text()
    assert half.id in log
    assert {"raise": "no idea", "odd": "not True", "unknown": "does not know yet"}[trouble] in log
    failed = app.store.jobs(state="failed")
    assert [job.task for job in failed] == ([] if trouble == "unknown" else ["app.ship"] * len(failed))
    assert bool(failed) is (trouble != "unknown")


def test_a_check_back_that_never_answers_is_killed_and_asked_again(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any]
) -> None:
    script = "from app import app, slow\nhalf = app.prepare(slow.s(7), timeout=0.2)\nprint(half.id)"
    id = subprocess.check_output([sys.executable, "-c", script], cwd=tmp_path, text=True).strip()
    worker("-c", "1")
    assert app.AsyncResult(id).get(timeout=30) == 7
    assert len(lines(tmp_path / "asked")) == 2


def test_a_question_waits_for_a_worker_that_knows_the_task(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    (tmp_path / "other.py").write_text(
        "from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n@app.task\ndef other(): pass\n"
    )
    (tmp_path / "paid-1").touch()
    _, result = prepared(app, 1)
    stranger = worker("-A", "other", "-c", "1")
    eventually(lambda: app.store.queues()[0].parked == 1)
    stranger.stop()
    worker("-A", "app", "-c", "1")
    assert result.get(timeout=20) == 1


def test_after_the_last_question_people_decide(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    half, result = prepared(app, 1)
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        connection.execute("UPDATE pyqueue_half SET asked=15, due=1")
    connection.close()
    handle = worker("-c", "1")
    eventually(lambda: "pyqueue settle" in app.store.why(half.id))
    eventually(lambda: "asked no more" in handle.log.read_text())

    def cli(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pyqueue", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert half.id in cli("list", "--state", "prepared").stdout
    assert "prepared" in cli("status").stdout.splitlines()[0]
    assert json.loads(cli("status", "--json").stdout)["totals"]["prepared"] == 1
    assert cli("settle", half.id).returncode == 64
    assert cli("settle", "nothing", "--commit").returncode == 69
    done = cli("settle", half.id, "--commit", "--json")
    assert (done.returncode, json.loads(done.stdout)["settled"]) == (0, True)
    assert result.get(timeout=20) == 1
    done = cli("settle", half.id, "--rollback")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not prepared: success" in done.stderr
    assert "prepared" not in cli("status").stdout


def test_who_is_too_slow_is_told(app: PyQueue, worker: Callable[..., Any], eventually: Eventually) -> None:
    half, _ = prepared(app, 1)
    worker("-c", "1")
    with pytest.raises(AlreadySettled, match="cancelled"), half:
        eventually(lambda: state(app, half.id) == "cancelled")
    half, _ = prepared(app, 2)

    def block() -> None:
        with half:
            assert app.store.settle(half.id, True)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as caught:
        block()
    assert "was not rolled back" in caught.value.__notes__[0]


def test_a_process_that_was_forked_off_in_the_block_says_nothing(app: PyQueue) -> None:
    half, result = prepared(app, 1, timeout=3_600)
    with half:
        pid = os.fork()
        if pid == 0:
            try:
                half.__exit__(ValueError, ValueError(), None)
                half.__exit__(None, None, None)
            finally:
                os._exit(0)
        assert os.waitpid(pid, 0) == (pid, 0)
        assert state(app, half.id) == "prepared"
    assert result.state == "PENDING"
    assert state(app, half.id) == "waiting"


def test_one_that_was_there_before_is_not_this_senders(app: PyQueue) -> None:
    first, _ = prepared(app, 1, task_id="order-1", dedup_key="one")
    assert first.id == "order-1"
    for options in ({"task_id": "order-1"}, {"dedup_key": "one"}):
        again, result = prepared(app, 1, **options)
        assert (result.created, state(app, again.id)) == (False, "prepared")
        with again:
            pass
        with pytest.raises(ValueError, match="no"), again:
            raise ValueError("no")
        assert not again.commit()
        assert not again.rollback()
        assert state(app, "order-1") == "prepared"
    assert first.commit()


def test_one_that_is_left_is_the_check_backs(app: PyQueue) -> None:
    half, _ = prepared(app, 1)

    def block() -> None:
        with half:
            half.leave()
            raise ConnectionError("the COMMIT may have happened")

    with pytest.raises(ConnectionError):
        block()
    assert state(app, half.id) == "prepared"


def test_in_place_the_job_runs_when_it_is_committed(app: PyQueue) -> None:
    ran = []

    @app.task
    def ship(order: int) -> int:
        ran.append(order)
        return order

    @ship.check_back
    def paid(order: int) -> Check:
        return Check.UNKNOWN

    with app.testing():
        with app.prepare(ship.s(1)) as half:
            assert ran == []
        assert (ran, half.result.get()) == ([1], 1)
        with pytest.raises(ValueError, match="no"), app.prepare(ship.s(2)):
            raise ValueError("no")
    assert ran == [1]


def test_misuse_is_refused_where_it_is_written(app: PyQueue) -> None:
    @app.task
    def plain(x: int) -> int:
        return x

    with pytest.raises(ImproperlyConfigured, match="plain has no check-back"):
        app.prepare(plain.s(1))
    with pytest.raises(ImproperlyConfigured, match="has no check-back"):
        app.prepare(app.signature("nobody.knows"))

    def steps(x: int) -> Any:
        yield Check.COMMIT

    for wrong in (steps, 5):
        with pytest.raises(ImproperlyConfigured, match="a check-back is"):
            plain.check_back(wrong)  # type: ignore[arg-type,type-var]

    @plain.check_back
    def other(y: str) -> Check:
        return Check.COMMIT

    with pytest.raises(ImproperlyConfigured, match="already"):
        plain.check_back(other)
    with pytest.raises(TypeError, match="plain"):
        app.prepare(plain.s())
    with pytest.raises(TypeError, match="other"):
        app.prepare(plain.s(x=1))
    with pytest.raises(ValueError, match="timeout above zero"):
        app.prepare(plain.s(1), timeout=0)
    with pytest.raises(InvalidJob, match="one call"):
        app.prepare(plain.starmap([(1,), (2,)]))  # type: ignore[arg-type]
    assert app.store.jobs() == []


def test_it_does_not_mix_with_the_applications_own_transaction(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "own.db") as connection:
        connection.execute("CREATE TABLE own(x)")
    app = PyQueue(tmp_path / "own.db", embed=True)
    half, _ = prepared(app, 1)
    with app.using(connection):
        with pytest.raises(CannotJoin, match="delay"):
            prepared(app, 2)
        producer = app.producer("in")
        with pytest.raises(CannotJoin, match="outside of using"):
            producer.send(app.signature("app.ship", [3]))
    connection.close()
    assert [job.id for job in app.store.jobs()] == [half.id]
