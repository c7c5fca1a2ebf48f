"""A graph as a plan."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import InvalidJob
from pyqueue.graph_result import GraphResult
from pyqueue.message import Place
from pyqueue.planning import ROOT, Planned, Planner, Spot
from pyqueue.shape import first_of

if TYPE_CHECKING:
    from pyqueue.app import PyQueue
    from pyqueue.graph import Graph

_UNDO = Place(True, "last")


def planned_graph(app: PyQueue, graph: Graph, name: str | None) -> Planned:
    """The plan of a graph. Raises InvalidJob for one that has no nodes or goes round in a circle."""
    order = graph.ordered()
    if not order:
        raise InvalidJob("a graph without nodes has nothing to run; add() some")
    name = name or str(uuid.uuid4())
    planner = Planner(app, name, "list")
    plan = planner.plan
    following = graph.following()
    ends = [each for each in graph.nodes if not following[each]]
    plan.resize(ROOT, len(ends))
    # One input needs no list, and what waits for it fails as that has failed.
    waits: dict[str, int] = {}
    for each, node in graph.nodes.items():
        if node.after:
            values = "list" if len(node.after) > 1 else "one"
            waits[each] = plan.node(len(node.after), values=values, run=node.when)
    first = first_of(graph.nodes[order[0]].signature)
    root = (first.options.get("task_id") if first is not None else None) or str(uuid.uuid4())
    handles: dict[str, Any] = {}
    for each in order:
        node = graph.nodes[each]
        to = [(waits[next_], graph.nodes[next_].after.index(each)) for next_ in following[each]]
        to = to or [(ROOT, ends.index(each))]
        spot = Spot(
            to[0] if len(to) == 1 else None,
            waits.get(each),
            takes=True,
            how="spread",
            root=root,
            leads=not handles,
        )
        undo = None if node.compensate is None else app.job_of(node.compensate, _UNDO)
        handles[each], value = planner.placed(node.signature, spot._replace(undo=undo))
        if len(to) > 1:
            assert value is not None
            for where in to:
                plan.forward(value, *where)
    handle = GraphResult(name, {each: handles[each] for each in graph.nodes}, ends, app.store)
    return planner.finished(handle, [handles[each] for each in ends])
