"""Names of Celery: those that are here, and what is said for those that are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyqueue
from pyqueue import AsyncResult, Celery
from pyqueue.absent import APP, CALL, TASK
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.options import CallOptions, TaskOptions
from pyqueue.settings import BY_NAME, name_of
from pyqueue.signature import NEWEST

defaults: Any = pytest.importorskip("celery.app.defaults")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celery]:
    before = list(NEWEST)
    yield Celery("proj", broker=str(tmp_path / "jobs.db"))
    NEWEST[:] = before


PAGE = (Path(__file__).parents[2] / "docs" / "from_celery.md").read_text()


def test_the_page_names_what_is_missing_as_the_code_does() -> None:
    missing = PAGE[PAGE.index("## What is not there") :]
    for name in ("StampingVisitor", "solar"):
        assert f"`{name}`" in missing
        assert not hasattr(pyqueue, name)
    for name in ("worker_main", "register_task"):
        assert name in PAGE
        assert name in APP
        assert not hasattr(Celery, name)


def test_each_setting_is_found_by_celerys_old_name_too() -> None:
    olds = {old: new for old, new in defaults._TO_NEW_KEY.items() if new in BY_NAME}
    assert len(olds) > 50
    assert {old: name_of(old) for old in olds} == olds


def test_no_setting_is_ours_alone() -> None:
    assert set(BY_NAME) <= set(defaults.DEFAULTS)


def test_a_result_is_found_by_its_id_with_an_app_and_by_the_task(app: Celery) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    id = add.delay(1, 2).task_id
    found: list[AsyncResult[Any]] = [app.AsyncResult(id), AsyncResult(id, app=app), add.AsyncResult(id)]
    assert [each.state for each in found] == ["PENDING"] * 3


def test_an_id_alone_says_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"use app\.AsyncResult"):
        AsyncResult("x")


def test_the_current_task_of_an_app(app: Celery) -> None:
    seen: list[object] = []

    @app.task
    def look() -> None:
        seen.append(app.current_task.name if app.current_task is not None else None)

    look()
    look.apply()
    assert seen == [None, look.name]


def test_what_is_not_there_says_what_to_use(app: Celery) -> None:
    @app.task
    def nothing() -> None: ...

    with pytest.raises(AttributeError, match=r"'worker_main': .*pyqueue worker"):
        app.worker_main  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"'contrll'$"):
        app.contrll  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match=r"'routing_key' is no option of a call: .*use queue="):
        nothing.apply_async(routing_key="mail")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"'trail' is no option of a task: "):
        app.task(trail=False)  # type: ignore[call-overload]


def test_a_job_that_waits_is_revoked_with_celerys_words(app: Celery) -> None:
    assert app.send_task("app.add").revoke(terminate=True, signal="SIGTERM")
    assert app.send_task("app.add").revoke()


def test_waiting_takes_celerys_words(app: Celery) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    with app.testing():
        assert add.delay(1, 2).wait(interval=0.5) == 3
        assert add.chunks([(1, 2), (3, 4)], 1).apply_async().join_native() == [[3], [7]]


def test_nothing_is_called_absent_that_is_there(app: Celery) -> None:
    assert set(CALL).isdisjoint(CallOptions._fields)
    assert set(TASK).isdisjoint(TaskOptions._fields)
    assert [name for name in APP if hasattr(app, name)] == []
