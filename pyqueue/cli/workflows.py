"""Workflows for people: the tree of one, and a list of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pyqueue._core import Workflows
from pyqueue.cli.table import table
from pyqueue.cli.times import age, iso
from pyqueue.cli.words import coloured, plain, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyqueue._core import NodeView, Store, WorkflowSummary


def tree_lines(summary: WorkflowSummary, nodes: Sequence[NodeView]) -> Iterator[str]:
    """The jobs in the order in which they may run; the members of a list one level in.

    Not recursive: a chain may have 100,000 steps.
    """
    known = {each.id: each for each in nodes}
    shown: set[int] = set()
    # What is still to be told, the next one last: a node, or a line.
    left: list[tuple[int, int | str]] = [(0, summary.root)]
    while left:
        level, what = left.pop()
        if isinstance(what, str):
            yield "  " * level + what
        elif what not in shown and what in known:
            shown.add(what)
            left += reversed(list(_told(known[what], level)))


def _told(node: NodeView, level: int) -> Iterator[tuple[int, int | str]]:
    inside = level
    if node.list:
        # What several members wait for comes before all of them.
        waited = Counter(after for _, _, _, after in node.filled if after is not None)
        for shared, count in waited.items():
            if count > 1:
                yield level, shared
        failed = f", {node.failed:,} without success" if node.failed else ""
        yield level, f"list of {node.inputs:,}: {node.inputs - node.waits:,} ended{failed}"
        inside = level + 1
    for id, task, state, after in node.filled:
        if after is not None:
            yield inside, after
        if id:
            yield inside, f"{coloured(state, state.ljust(9))}  {plain(task)}  {plain(id)}"
    if node.inputs > len(node.filled):
        yield inside, f"... and {node.inputs - len(node.filled):,} more"


def print_tree(store: Store, id: str, as_json: bool) -> bool:
    """Prints the workflow of a name, or of a job in it; False if the file has none."""
    found = Workflows(store).tree(id)
    if found is None:
        return False
    summary, nodes = found
    if as_json:
        print_json(store.path, {**summary_object(summary), "nodes": [_node_object(each) for each in nodes]})
        return True
    print(f"workflow {plain(summary.name or '')}: {coloured(summary.state)}, {_jobs(summary.jobs)}")
    for line in tree_lines(summary, nodes):
        print(f"  {line}")
    return True


def print_list(store: Store, limit: int, as_json: bool) -> None:
    """Prints the newest workflows."""
    found = Workflows(store).list(limit)
    if as_json:
        print_json(store.path, {"workflows": [summary_object(each) for each in found]})
    elif found:
        now_us = store.now_us()
        rows = [
            [
                each.name or "",
                each.state,
                f"{each.jobs:,}",
                age(each.made_us, now_us),
                "" if each.ended_us is None else age(each.ended_us, now_us),
            ]
            for each in found
        ]
        print(table(["workflow", "state", "jobs", "made", "ended"], rows, left=(0, 1), whole=(0, 1)))
    else:
        print("no workflows")


def summary_object(summary: WorkflowSummary) -> dict[str, Any]:
    """What a list says of a workflow."""
    return {
        "workflow": summary.name,
        "state": summary.state,
        "jobs": summary.jobs,
        "made": iso(summary.made_us),
        "ended": iso(summary.ended_us),
    }


def _node_object(node: NodeView) -> dict[str, Any]:
    return {
        "node": node.id,
        "list": node.list,
        "inputs": node.inputs,
        "waits": node.waits,
        "failed": node.failed,
        "filled": [
            {"id": id or None, "task": task or None, "state": state, "after": after}
            for id, task, state, after in node.filled
        ],
    }


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
