"""The handles of workflows: restored, counted, waited for, cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyqueue import AsyncResult, GroupResult, PyQueue, ResultSet, chain, chord, group
from pyqueue.exceptions import (
    CannotJoin,
    ChordError,
    DuplicateJob,
    EncodeError,
    ImproperlyConfigured,
    IncompleteStream,
    InvalidJob,
    TaskRevokedError,
    UnknownJob,
)

SOURCE = """
import os, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db")

@app.task
def echo(value=None):
    return value

@app.task
def pack(*args):
    return list(args)

@app.task
def fail(*args):
    raise ValueError("no")

@app.task
def makes():
    return [echo.delay(1).id, (echo.s(2) | echo.s()).delay().id]

@app.task
def large(*args):
    return "x" * 50_000_000

@app.task
def dies(path):
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), 9)
    return "survived"

@app.task(max_losses=1)
def kills():
    os.kill(os.getpid(), 9)
"""


def drain(app: PyQueue) -> Callable[[], None]:
    """Runs here what may run."""
    from pyqueue.worker.run_job import run_job

    worker = app.store.join("test", 1, 30_000_000)

    def run() -> None:
        while jobs := app.store.claim(worker, 1):
            app.store.finish([(jobs[0], run_job(app, jobs[0], "here"))])

    return run


def test_a_group_is_found_again_by_its_id(tasks: ModuleType) -> None:
    run = drain(tasks.app)
    sent = group(tasks.echo.s(n) for n in range(2_500)).delay()
    again = tasks.app.GroupResult.restore(sent.id)
    assert (len(again), again.ready(), again.completed_count(), again.waiting()) == (2_500, False, 0, True)
    assert sent.save() is sent
    run()
    assert (again.ready(), again.successful(), again.failed(), again.completed_count()) == (
        True,
        True,
        False,
        2_500,
    )
    assert again.get(timeout=5) == list(range(2_500))
    assert [each.id for each in again] == [each.id for each in sent]
    assert GroupResult.restore(sent.id, app=tasks.app) == sent
    with pytest.raises(UnknownJob):
        tasks.app.GroupResult.restore("nobody")
    with pytest.raises(ImproperlyConfigured, match="app="):
        GroupResult.restore(sent.id)


def test_a_group_with_a_name_of_ones_own(tasks: ModuleType) -> None:
    sent = group(tasks.echo.s(1), tasks.echo.s(2)).apply_async(task_id="nightly")
    assert sent.id == "nightly"
    assert tasks.app.GroupResult.restore("nightly").results == sent.results
    with pytest.raises((DuplicateJob, InvalidJob), match="nightly"):
        group(tasks.echo.s(1)).apply_async(task_id="nightly")
    assert sum(queue.waiting for queue in tasks.app.store.queues()) == 2


def test_members_that_are_groups_are_restored_as_groups(tasks: ModuleType) -> None:
    run = drain(tasks.app)
    sent = group(tasks.echo.s(1) | group(tasks.pack.s(2), tasks.pack.s(3)), tasks.echo.s(4)).delay()
    assert tasks.app.GroupResult.restore(sent.id).get is not None
    run()
    again = tasks.app.GroupResult.restore(sent.id)
    assert again.get(timeout=5) == sent.get(timeout=5) == [[[1, 2], [1, 3]], 4]


def test_results_as_they_come(tasks: ModuleType, worker: Callable[..., Any]) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2")
    sent = group(tasks.echo.s(n) for n in range(20)).delay()
    assert sorted(sent.iterate(timeout=10)) == list(range(20))
    heard: list[Any] = []
    assert sent.get(timeout=5, callback=lambda id, value: heard.append((id, value))) == []
    assert heard == [(each.id, n) for n, each in enumerate(sent)]


def test_a_set_of_results(tasks: ModuleType) -> None:
    run = drain(tasks.app)
    one, two = tasks.echo.delay(1), tasks.fail.delay()
    several: ResultSet[Any] = ResultSet([one])
    several.add(two)
    several.add(two)
    assert len(several) == 2
    run()
    assert (several.ready(), several.successful(), several.failed(), several.completed_count()) == (
        True,
        False,
        True,
        1,
    )
    with pytest.raises(ValueError, match="no"):
        several.maybe_throw()
    several.remove(two.id)
    assert several.get() == [1]
    with pytest.raises(KeyError):
        several.discard(two)
    several.clear()
    assert several.get() == []
    with pytest.raises(InvalidJob, match="sent as a whole"):
        GroupResult(None, [one]).save()


def test_the_parents_of_a_chain(tasks: ModuleType) -> None:
    run = drain(tasks.app)
    result = (tasks.echo.s(1) | group(tasks.pack.s(2), tasks.pack.s(3)) | tasks.pack.s(4)).delay()
    run()
    assert result.get() == [[[1, 2], [1, 3]], 4]
    assert isinstance(result.parent, GroupResult)
    assert result.parent.get() == [[1, 2], [1, 3]]
    assert result.parent.parent.get() == 1
    assert result.parent.parent.parent is None


def test_what_a_job_has_made(tasks: ModuleType) -> None:
    run = drain(tasks.app)
    result = tasks.makes.delay()
    with pytest.raises(IncompleteStream):
        list(result.iterdeps())
    assert len(list(result.iterdeps(intermediate=True))) == 1
    run()
    assert [maker is not None for maker, _ in result.iterdeps()] == [False, True, True, True]
    assert [value for _, value in result.collect()][1:] == [1, 2, 2]
    assert result.get_leaf() == 2
    assert result.exists()
    assert not tasks.app.AsyncResult("nobody").exists()
    assert result.maybe_throw() == result.get()


def test_cancelling_a_group_cancels_all_within_it(tasks: ModuleType) -> None:
    sent = group(tasks.echo.s(1) | tasks.echo.s(), tasks.echo.s(2)).delay()
    sent.revoke()
    assert sent.ready()
    for each in sent:
        with pytest.raises(TaskRevokedError):
            each.get(timeout=1)
    assert sent.completed_count() == 0


@pytest.mark.parametrize("how", ["revoked", "expired", "dead", "large"])
def test_a_chord_hears_of_every_end(tasks: ModuleType, worker: Callable[..., Any], how: str) -> None:
    members = {
        "revoked": tasks.echo.s().set(countdown=3600),
        "expired": tasks.echo.s().set(countdown=0.2, expires=0.1),
        "dead": tasks.kills.s(),
        "large": tasks.large.s(),
    }
    result = chord([members[how], tasks.echo.s(1)], tasks.echo.s()).delay()
    if how == "revoked":
        result.parent[0].revoke()
    worker("-A", tasks.__project__.file.name, "-c", "2")
    with pytest.raises((ChordError, TaskRevokedError)):
        result.get(timeout=20)


def test_a_task_nobody_knows_leaves_its_workflow_waiting_and_says_so(
    tasks: ModuleType, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    result = chain(tasks.echo.s(1), tasks.app.signature("gone.away")).delay()
    result.parent.get(timeout=10)
    eventually(lambda: "gone.away" in tasks.app.store.why(result.id))
    assert result.state == "PENDING"


def test_who_is_killed_after_sending_is_not_needed(tasks: ModuleType, worker: Callable[..., Any]) -> None:
    sender = (
        f"import os, {tasks.__name__} as t; from pyqueue import chord\n"
        "made = chord([t.echo.s(n) | t.pack.s(0) for n in range(5)], t.pack.s('body')) | t.pack.s('last')\n"
        "print(made.delay().id, flush=True); os.kill(os.getpid(), 9)"
    )
    sent = subprocess.run([sys.executable, "-c", sender], stdout=subprocess.PIPE, text=True, check=False)
    assert sent.returncode == -signal.SIGKILL
    worker("-A", tasks.__project__.file.name, "-c", "2")
    result = tasks.app.AsyncResult(sent.stdout.strip())
    assert result.get(timeout=20) == [[[[n, 0] for n in range(5)], "body"], "last"]


def test_a_child_and_a_worker_are_killed_while_they_hold_members(
    tasks: ModuleType, worker: Callable[..., Any], tmp_path: Path
) -> None:
    first = worker("-A", tasks.__project__.file.name, "-c", "2")
    header = [tasks.dies.s(str(tmp_path / f"died-{n}")) for n in range(4)] + [
        tasks.echo.s(n) for n in range(50)
    ]
    result = (chord(header, tasks.pack.s()) | tasks.pack.s("after")).delay()
    result.parent.parent[0].get(timeout=20)
    os.kill(first.pid, signal.SIGKILL)
    worker("-A", tasks.__project__.file.name, "-c", "2")
    assert result.get(timeout=30) == [[["survived"] * 4 + list(range(50))], "after"]


def test_what_can_not_be_sent_leaves_nothing(tasks: ModuleType, app: PyQueue) -> None:
    t = tasks
    for made, error, text in (
        (t.echo.s(1) | t.pack.s(object()), EncodeError, "argument 1 of the call of .*pack"),
        (chord([t.echo.s(1)], t.pack.s({1})), EncodeError, "pack"),
        (chord([t.echo.s(1)]), InvalidJob, "no body"),
        (group(t.echo.s(1).set(dedup_key="k")), InvalidJob, "dedup_key"),
        (t.echo.s(1) | t.echo.s(2, 3), TypeError, "echo"),
        (group(t.echo.s(1), t.echo.s(1).set(priority=1_000)), InvalidJob, "priority"),
        (group(t.echo.s(1).set(task_id="a"), t.echo.s(1).set(task_id="a")), DuplicateJob, "a"),
    ):
        with pytest.raises(error, match=text):
            made.delay()
    for wrong in (5, "add", [5], [None]):
        with pytest.raises(TypeError, match="made of signatures"):
            group(wrong).delay()
    with pytest.raises(InvalidJob, match="'fail' or 'run'"):
        chord([t.echo.s()], t.echo.s(), on_error="ignore")
    with pytest.raises(InvalidJob, match="'fail' or 'run'"):
        chord([t.echo.s()], t.echo.s()).on_error("ignore")
    assert tasks.app.store.queues() == []


def test_the_generator_of_a_group_is_used_up_by_sending_it(tasks: ModuleType) -> None:
    made = group(tasks.echo.s(n) for n in range(3))
    assert len(made.delay()) == 3
    with pytest.raises(InvalidJob, match="used up"):
        made.delay()


def test_a_workflow_can_not_be_stored_by_a_foreign_connection(tasks: ModuleType) -> None:
    import sqlite3

    tasks.echo.delay(0)
    connection = sqlite3.connect(tasks.app.path)
    with tasks.app.using(connection), pytest.raises(CannotJoin, match="workflow"):
        (tasks.echo.s(1) | tasks.echo.s()).delay()
    connection.close()


@pytest.fixture
def deep(tasks: ModuleType) -> Iterator[Any]:
    made: Any = tasks.echo.s(1)
    for _ in range(1_000):
        made = chord([made], tasks.echo.si(5))
    return made


def test_a_thousand_levels_are_stored_and_run(tasks: ModuleType, deep: Any) -> None:
    run = drain(tasks.app)
    result: AsyncResult[Any] = deep.delay()
    run()
    assert result.successful()
