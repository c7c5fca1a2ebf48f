"""SIGHUP and ``--reload``: children with new code take over while the old ones end their jobs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from processes import children, until, worker, write_app

from pyqueue import PyQueue

APP = """
import os
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")
{more}
@app.task(name="code")
def code(): return [{code}, os.getpid()]

@app.task(name="hold")
def hold(name):
    Path(name).touch()
    open("gate").close()
    return {code}
"""
ADDED = """
@app.task(name="added")
def added(): return "added"
"""
FLAGS = ["prefork", "threads", "asyncio"]


def write(folder: Path, code: str, more: str = "") -> None:
    # Of another length each time: Python takes a source of the same second and length for the one it has compiled.
    write_app(folder, APP.format(code=code, more=more))


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app beside the module that the workers load."""
    write(tmp_path, "1")
    os.mkfifo(tmp_path / "gate")
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def code_of(app: PyQueue) -> Any:
    return app.signature("code").delay().get(timeout=20)[0]


@pytest.mark.parametrize("pool", FLAGS)
def test_the_old_child_ends_its_job_while_the_new_one_runs_new_code(
    app: PyQueue, tmp_path: Path, pool: str
) -> None:
    with worker(tmp_path, "-P", pool, "-c", "1" if pool == "prefork" else "4") as process:
        [old] = children(process.pid)
        held = app.signature("hold", ["held"], max_losses=1).delay()
        until((tmp_path / "held").exists)
        write(tmp_path, "'new'")
        os.kill(process.pid, signal.SIGHUP)
        process.wait_said("run the new code")
        assert code_of(app) == "new"
        assert old in children(process.pid)
        gate = os.open(tmp_path / "gate", os.O_RDWR)
        assert held.get(timeout=20) == 1, "the old code has ended its job"
        os.close(gate)
        until(lambda: old not in children(process.pid), what="the old child's end")
        assert len(children(process.pid)) == 1
        assert [each.outcome for each in held.attempts()] == ["success"]


def test_control_without_the_signal_the_old_code_goes_on(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1"):
        write(tmp_path, "'new'")
        assert code_of(app) == 1


@pytest.mark.parametrize("wrong", ["def (", "raise SystemExit(3)", "os._exit(3)", "os.kill(os.getpid(), 11)"])
def test_code_that_can_not_be_loaded_keeps_the_old_children(app: PyQueue, tmp_path: Path, wrong: str) -> None:
    with worker(tmp_path, "-c", "2") as process:
        before = set(children(process.pid))
        write(tmp_path, "3", more=wrong)
        for _ in range(4):
            os.kill(process.pid, signal.SIGHUP)
            until(lambda: set(children(process.pid)) != before, what="the child that tries it")
            until(lambda: set(children(process.pid)) == before, what="its end")
        said = process.log.read_text()
        assert "the new code can't be loaded, so the old children go on" in said
        assert ("SyntaxError" in said) == (wrong == "def (")
        assert code_of(app) == 1
        # One of the old ones dies now: the others go on, and its place is filled once that can be.
        os.kill(min(before), signal.SIGKILL)
        process.wait_said("another is started in")
        assert code_of(app) == 1
        write(tmp_path, "'mended'")
        os.kill(process.pid, signal.SIGHUP)
        process.wait_said("run the new code")
        assert code_of(app) == "mended"
        until(
            lambda: len(new := set(children(process.pid))) == 2 and not before & new, what="two new children"
        )


def test_new_tasks_are_served_and_wait_as_long_as_old_children_work(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "2") as process:
        early = app.signature("added").delay()
        write(tmp_path, "'new'", more=ADDED)
        os.kill(process.pid, signal.SIGHUP)
        assert early.get(timeout=20) == "added"
        # And one that is gone is not tried by those that don't have it.
        write(tmp_path, "'newer'")
        os.kill(process.pid, signal.SIGHUP)
        until(lambda: code_of(app) == "newer")
        until(lambda: process.log.read_text().count("run the new code") == 2)
        late = app.signature("added").delay()
        process.wait_said("its jobs wait for a worker that knows it")
        assert late.state == "PENDING"


def test_reloads_under_load_lose_nothing_and_cost_no_attempt(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "2") as process:
        results = []
        for turn in range(1, 5):
            write(tmp_path, f"'{'x' * turn}'")
            os.kill(process.pid, signal.SIGHUP)
            while process.log.read_text().count("run the new code") < turn:
                results.append(app.signature("code").delay())
                time.sleep(0.001)
        codes = [result.get(timeout=20)[0] for result in results]
        assert {1, "x", "xx", "xxx"} <= set(codes)
        assert {each.outcome for result in results for each in result.attempts()} == {"success"}
        assert all(len(result.attempts()) == 1 for result in results)


def test_reload_watches_the_source(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "1", "--reload") as process:
        # An editor's way: another file, moved to the name.
        write_app(tmp_path, APP.format(code="'edited'", more=""), "app.py.tmp")
        (tmp_path / "app.py.tmp").rename(tmp_path / "app.py")
        until(lambda: code_of(app) == "edited")
        # A package that was not there.
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "__init__.py").write_text("CODE = 'from a package'\n")
        write(tmp_path, "__import__('parts').CODE")
        until(lambda: code_of(app) == "from a package")
        (tmp_path / "parts" / "__init__.py").write_text("CODE = 'from a package that was changed'\n")
        until(lambda: code_of(app) == "from a package that was changed")
        assert process.process.poll() is None


def test_a_stop_during_a_reload_is_a_stop(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "2") as process:
        held = app.signature("hold", ["held"]).delay()
        until((tmp_path / "held").exists)
        os.kill(process.pid, signal.SIGHUP)
        process.wait_said("run the new code")
        os.kill(process.pid, signal.SIGTERM)
        process.wait_said("no new jobs")
        gate = os.open(tmp_path / "gate", os.O_RDWR)
        assert process.wait(20) == 0
        os.close(gate)
    assert held.get(timeout=1) == 1


def test_every_supervisor_of_a_worker_reloads(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "-c", "3", "-Q", "mail:1,default") as process:
        before = set(children(process.pid))
        write(tmp_path, "'new'")
        os.kill(process.pid, signal.SIGHUP)
        until(lambda: process.log.read_text().count("run the new code") == 2)
        until(lambda: not before & set(children(process.pid)), what="the old children's end")
        assert len(children(process.pid)) == 3
        mail = app.signature("code").set(queue="mail").delay()
        assert (mail.get(timeout=20)[0], code_of(app)) == ("new", "new")


def test_a_reload_keeps_the_number_that_the_load_has_made(app: PyQueue, tmp_path: Path) -> None:
    with worker(tmp_path, "--autoscale", "3,1") as process:
        held = [app.signature("hold", [f"held-{n}"]).delay() for n in range(3)]
        until(lambda: all((tmp_path / f"held-{n}").exists() for n in range(3)), timeout=30)
        old = set(children(process.pid))
        assert len(old) == 3
        write(tmp_path, "'new'")
        os.kill(process.pid, signal.SIGHUP)
        process.wait_said("3 children run the new code")
        assert code_of(app) == "new"
        gate = os.open(tmp_path / "gate", os.O_RDWR)
        assert [result.get(timeout=20) for result in held] == [1, 1, 1]
        os.close(gate)
        until(lambda: not old & set(children(process.pid)), what="the old children's end")
        assert len(children(process.pid)) == 3
