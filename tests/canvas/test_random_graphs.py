"""Random graphs with failures: who runs, who fails unrun, who is skipped, and what each one gets."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyqueue import PyQueue
from pyqueue.exceptions import TaskRevokedError
from pyqueue.worker.run_job import run_job

FAILED, SKIPPED, VALUE = "failed", "skipped", "value"
End = tuple[str, Any]


class Node(NamedTuple):
    after: tuple[int, ...]
    when: str
    fails: bool


def some(seed: int, size: int) -> list[Node]:
    """A random graph: each node waits for some of those before it."""
    dice = random.Random(seed)
    nodes = []
    for number in range(size):
        after = dice.sample(range(number), min(number, dice.choice([0, 1, 1, 2, 3, 5])))
        when = dice.choice(["success", "success", "success", "failure", "always"])
        nodes.append(Node(tuple(after), when, dice.random() < 0.15))
    return nodes


def number_of(found: Any) -> int:
    """What a node makes of what it gets: exceptions count by the length of their classes' names."""
    return len(type(found).__name__) if isinstance(found, Exception) else int(found)


def mixed(number: int, given: list[int]) -> int:
    return (number * 31 + sum(place * each for place, each in enumerate(given, 1))) % 10_007


def meant(nodes: list[Node]) -> list[End]:
    """How each node ends."""
    ends: list[End] = []
    for number, node in enumerate(nodes):
        before = [ends[each] for each in node.after]
        failed = [each for each in before if each[0] == FAILED]
        ends.append(_end(number, node, before, failed))
    return ends


def _end(number: int, node: Node, before: list[End], failed: list[End]) -> End:
    if node.when == "failure" and node.after and not failed:
        return SKIPPED, None
    if node.when == "success" and failed:
        return (FAILED, "ChordError") if len(before) > 1 else failed[0]
    if node.when == "success" and any(kind == SKIPPED for kind, _ in before):
        return SKIPPED, None
    if node.fails:
        return FAILED, "ValueError"
    shown = [len("TaskRevokedError") if kind == SKIPPED else value for kind, value in before]
    return VALUE, mixed(number, [len(each) if isinstance(each, str) else each for each in shown])


class Bench:
    def __init__(self, path: Path) -> None:
        self.app = PyQueue(path, durability="normal")
        self.worker = self.app.store.join("test", 1, 30_000_000)

        @self.app.task(name="node")
        def node(*args: Any, fails: bool = False) -> int:
            if fails:
                raise ValueError("no")
            *given, number = args
            return mixed(number, [number_of(each) for each in given])

        self.task = node

    def run(self, nodes: list[Node]) -> list[End]:
        graph = self.app.graph()
        for number, node in enumerate(nodes):
            call = self.task.s(number, fails=True) if node.fails else self.task.s(number)
            graph.add(str(number), call, after=[str(each) for each in node.after], when=node.when)
        result = graph.delay()
        store = self.app.store
        while jobs := store.claim(self.worker, 5):
            store.finish([(job, run_job(self.app, job, "here")) for job in jobs])
        assert result.ready(), "nothing is stuck"
        assert store.examine() == []
        ends = [_seen(result[str(number)]) for number in range(len(nodes))]
        open_ends = set(range(len(nodes))) - {each for node in nodes for each in node.after}
        assert result.failed() == any(ends[each][0] == FAILED for each in open_ends)
        return ends


def _seen(handle: Any) -> End:
    found = handle.get(timeout=0, propagate=False)
    if isinstance(found, TaskRevokedError):
        return SKIPPED, None
    return (FAILED, type(found).__name__) if isinstance(found, Exception) else (VALUE, found)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    logging.getLogger("pyqueue.task").setLevel(logging.CRITICAL)
    yield Bench(tmp_path_factory.mktemp("graphs") / "jobs.db")
    logging.getLogger("pyqueue.task").setLevel(logging.NOTSET)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), size=st.integers(1, 25))
def test_a_random_graph_ends_as_it_means(bench: Bench, seed: int, size: int) -> None:
    nodes = some(seed, size)
    assert bench.run(nodes) == meant(nodes)


@pytest.mark.parametrize("seed", range(3))
def test_a_graph_of_five_hundred_nodes(bench: Bench, seed: int) -> None:
    nodes = some(seed, 500)
    assert bench.run(nodes) == meant(nodes)


def test_control_another_graph_ends_otherwise(bench: Bench) -> None:
    nodes = [Node((), "success", True), Node((0,), "success", False)]
    other = [nodes[0], nodes[1]._replace(when="always")]
    assert bench.run(nodes) == meant(nodes) != meant(other) == bench.run(other)
