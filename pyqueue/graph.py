"""An explicit graph of calls: named nodes, what each waits for, and what undoes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue.composed import Composed
from pyqueue.exceptions import InvalidJob
from pyqueue.mapped import Chunks
from pyqueue.signature import Signature

if TYPE_CHECKING:
    from typing import Protocol

    class GraphSender(Protocol):
        """Who stores graphs; the app is one."""

        def send_graph(self, graph: Graph, name: str | None) -> Any: ...


WHEN: Final = ("success", "failure", "always")


class Node(NamedTuple):
    """One call of a graph."""

    signature: Signature[Any]
    after: tuple[str, ...]
    when: str
    compensate: Signature[Any] | None


class Graph:
    """Calls that wait for each other by name; ``delay`` stores them all in one transaction.

    A node gets the results of those in its ``after`` as its first arguments, in that order, unless it is immutable (``si``).
    """

    def __init__(self, sender: GraphSender) -> None:
        self._sender = sender
        self.nodes: dict[str, Node] = {}

    def add(
        self,
        name: str,
        signature: Signature[Any],
        *,
        after: str | Sequence[str] = (),
        when: str = "success",
        compensate: Signature[Any] | None = None,
    ) -> str:
        """Adds a node; its name. Those in ``after`` may be added later.

        ``when`` says when it runs, once all of those have ended: if all have had "success"; if there was a "failure" (else
        it is skipped); or "always". The latter two get exceptions in place of the results that there aren't. ``compensate``
        is called with the node's result if the node succeeds and the graph fails in the end: what succeeded last is undone
        first. Raises InvalidJob for a name that is taken or no name, and for what can't be a node.
        """
        if not isinstance(name, str) or not 0 < len(name) < 256:
            raise InvalidJob(f"a node of a graph has a name of 1 to 255 characters, not {name!r:.80}")
        if name in self.nodes:
            raise InvalidJob(f"two nodes of the graph are named {name!r}; give one of them another name")
        if when not in WHEN:
            raise InvalidJob(
                f"node {name!r} can't run when={when!r:.80}; there are: 'success', 'failure', 'always'"
            )
        for each in (signature, compensate):
            if each is not None and not isinstance(each, Signature):
                raise InvalidJob(f"node {name!r} needs a signature, such as add.s(1), not {each!r:.80}")
        if compensate is not None and any(
            isinstance(each, (Composed, Chunks)) for each in (signature, compensate)
        ):
            raise InvalidJob(
                f"node {name!r} is undone by one call of one call: give each part of a canvas a node of its own"
            )
        before = (after,) if isinstance(after, str) else tuple(after)
        if len(set(before)) < len(before):
            raise InvalidJob(f"node {name!r} waits twice for the same node; name each once in after=")
        self.nodes[name] = Node(signature, before, when, compensate)
        return name

    def ordered(self) -> list[str]:
        """The names, each after those it waits for. Raises InvalidJob for an unknown name and for a cycle."""
        for name, node in self.nodes.items():
            for each in node.after:
                if each not in self.nodes:
                    raise InvalidJob(
                        f"node {name!r} waits for {each!r}, which the graph has not; there are: "
                        f"{', '.join(sorted(self.nodes))}"
                    )
        left = {name: len(node.after) for name, node in self.nodes.items()}
        following = self.following()
        ready = [name for name, count in left.items() if not count]
        order = []
        while ready:
            name = ready.pop()
            order.append(name)
            for each in following[name]:
                left[each] -= 1
                if not left[each]:
                    ready.append(each)
        if len(order) < len(self.nodes):
            circle = self._circle({name for name, count in left.items() if count})
            raise InvalidJob(
                f"the graph goes round in a circle: {' → '.join(circle)}; let one of them not wait"
            )
        return order

    def following(self) -> Mapping[str, list[str]]:
        """Who waits for each node."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, node in self.nodes.items():
            for each in node.after:
                found[each].append(name)
        return found

    def _circle(self, stuck: set[str]) -> list[str]:
        """One way round, as it would be run."""
        path: list[str] = []
        name = min(stuck)
        while name not in path:
            path.append(name)
            name = next(each for each in self.nodes[name].after if each in stuck)
        return [name, *reversed(path[path.index(name) :])]

    def delay(self) -> Any:
        """Stores the graph; the handle of all. Raises InvalidJob for a graph that could not come to its end."""
        return self._sender.send_graph(self, None)

    def apply_async(self, task_id: str | None = None) -> Any:
        """As ``delay``, with an id of your own for the whole."""
        return self._sender.send_graph(self, task_id)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<Graph: {len(self.nodes)} nodes>"
