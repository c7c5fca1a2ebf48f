"""Random canvases with failures and retries end as the meaning says, on a queue file and in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from meaning import Composite, Leaf, built, canvases, ended, shown

from pyqueue import PyQueue, canvas
from pyqueue.signature import Signature
from pyqueue.worker.run_job import run_job


class Bench:
    """An app, and who runs its jobs: nobody else is there, so the order is that of the file."""

    def __init__(self, path: Path) -> None:
        self.app = PyQueue(path, durability="normal")

        @self.app.task(bind=True, name="leaf", max_retries=9)
        def leaf(task: Any, *args: Any, fails: bool = False, retries: int = 0) -> Any:
            if task.request.retries < retries:
                raise task.retry(countdown=0)
            if fails:
                raise ValueError("no")
            return plain(list(args))

        self.task = leaf
        self.worker = self.app.store.join("test", 1, 30_000_000)

    def leaf(self, of: Leaf) -> Signature[Any]:
        options = {name: value for name, value in (("fails", of.fails), ("retries", of.retries)) if value}
        return (self.task.si if of.immutable else self.task.s)(of.number, **options)

    def run(self, made: Signature[Any]) -> Any:
        result: Any = made.delay()
        store = self.app.store
        while jobs := store.claim(self.worker, 3):
            store.finish([(job, run_job(self.app, job, "here")) for job in jobs])
        assert result.ready(), "nothing is stuck"
        assert store.examine() == []
        return plain(result.get(timeout=0, propagate=False))


def plain(value: Any) -> Any:
    """With the classes of exceptions in their place."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return type(value).__name__ if isinstance(value, Exception) else value


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    logging.getLogger("pyqueue.task").setLevel(logging.CRITICAL)
    yield Bench(tmp_path_factory.mktemp("random") / "jobs.db")
    logging.getLogger("pyqueue.task").setLevel(logging.NOTSET)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=canvases())
def test_a_random_canvas_ends_as_it_means(bench: Bench, made: Leaf | Composite) -> None:
    signature = built(made, bench.leaf, canvas)
    assert bench.run(signature) == shown(ended(made))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=canvases())
def test_so_does_its_dictionary(bench: Bench, made: Leaf | Composite) -> None:
    form = built(made, bench.leaf, canvas).to_dict()
    assert bench.run(bench.app.signature(form)) == shown(ended(made))


def swapped(made: Leaf | Composite) -> Leaf | Composite:
    """The same with each group turned round."""
    if isinstance(made, Leaf):
        return made
    parts = tuple(swapped(each) for each in made.parts)
    return made._replace(parts=parts[::-1] if made.kind == "group" else parts)


def test_control_another_order_has_another_meaning(bench: Bench) -> None:
    made = Composite("chord", (Composite("group", (Leaf(1), Leaf(2))),), Leaf(3))
    found: Callable[[Any], Any] = lambda each: bench.run(built(each, bench.leaf, canvas))  # noqa: E731
    assert found(made) == shown(ended(made)) != found(swapped(made))
