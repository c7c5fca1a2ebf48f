"""The part of an app that is about calls as values, and about workflows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pyqueue import joining, publishing, request, result
from pyqueue._core import Workflows
from pyqueue.canvas import group
from pyqueue.composed import Composed
from pyqueue.configured import Configured
from pyqueue.exceptions import CannotJoin
from pyqueue.mapped import Chunks
from pyqueue.signature import Signature

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue import group_result, result_set
    from pyqueue.app import PyQueue
    from pyqueue.graph import Graph
    from pyqueue.options import CallOptionsDict
    from pyqueue.planning import Planned

R = TypeVar("R")

BECOMES: Final = "pyqueue.canvas"
"""The task of a job that becomes the canvas it is given."""


def is_composed(signature: Signature[Any]) -> bool:
    """Whether it stands for several jobs."""
    return isinstance(signature, (Composed, Chunks))


def wrapped(signature: Signature[Any]) -> Signature[Any]:
    """A canvas where only one job can be, such as a callback: a job that becomes it."""
    form = signature.to_dict()
    own = form["options"]
    options = {name: own.pop(name) for name in ("task_id", "countdown", "eta") if name in own}
    options |= {name: own[name] for name in ("queue", "priority") if name in own}
    return Signature(BECOMES, (form,), options=options)


class Composer(Configured):
    """Signatures, canvases, and the handles of what came of them."""

    def signature(
        self,
        name: str | Mapping[str, Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Signature[Any]:
        """A call of a task by its name, or of Celery's signature dictionary; not made yet."""
        app = cast("PyQueue", self)
        if isinstance(name, Mapping):
            return Signature.from_dict(name, app)
        return Signature(name, args, kwargs, options, sender=app)

    def AsyncResult(self, id: str) -> result.AsyncResult[Any]:
        """The handle of a job by its id."""
        return result.AsyncResult(id, cast("PyQueue", self).store)

    @property
    def GroupResult(self) -> type[group_result.GroupResult[Any]]:
        """``pyqueue.GroupResult`` of this app: ``app.GroupResult.restore(id)``."""
        from pyqueue.group_result import GroupResult  # noqa: PLC0415  for those who use it

        known = cast("PyQueue", self)

        class GroupOfApp(GroupResult[Any]):
            def __init__(self, id: Any = None, results: Any = None, store: Any = None, **more: Any) -> None:
                super().__init__(id, results, store or known.store, **more)

            @classmethod
            def restore(cls, id: str, *, app: PyQueue | None = None) -> group_result.GroupResult[Any]:
                return GroupResult.restore(id, app=app or known)

        return GroupOfApp

    def ResultSet(self, results: Iterable[result.AsyncResult[Any]] = ()) -> result_set.ResultSet[Any]:
        """``pyqueue.ResultSet``."""
        from pyqueue.result_set import ResultSet  # noqa: PLC0415  for those who use it

        return ResultSet(results)

    def send_group(self, signatures: Iterable[Signature[R]]) -> group_result.GroupResult[R]:
        """Makes a job of each signature, all or none, in one transaction; one handle for all."""
        whole: group[R] = group(signatures)
        return self.send_composed(whole)  # type: ignore[no-any-return]

    def graph(self) -> Graph:
        """A new graph: named calls that wait for each other, stored together by its ``delay``."""
        from pyqueue.graph import Graph  # noqa: PLC0415  for those who use it

        return Graph(self)

    def send_graph(self, graph: Graph, name: str | None) -> Any:
        """Stores a graph in one transaction."""
        from pyqueue.graph_planning import planned_graph  # noqa: PLC0415  for those who use it

        self._refuse_joined()
        return self.send_planned(planned_graph(cast("PyQueue", self), graph, name))

    def send_composed(self, signature: Signature[Any]) -> Any:
        """Stores a workflow in one transaction: what waits in it needs nobody of ours any more."""
        from pyqueue.planning import planned  # noqa: PLC0415  for those who use it

        self._refuse_joined()
        return self.send_planned(planned(cast("PyQueue", self), signature))

    def _refuse_joined(self) -> None:
        if joining.host_of(self) is not None:
            raise CannotJoin(
                "a workflow can't be stored by a foreign connection yet: enqueue one job there that makes it, "
                "or send it before or after the block"
            )

    def send_planned(self, made: Planned) -> Any:
        """Stores a plan."""
        app = cast("PyQueue", self)
        if len(made.plan):
            store = app.store
            place = app.in_place
            ids = Workflows(store).enqueue(made.plan) if place is None else place.begin(made.plan)
            made.stored(ids)
            request.made([id for id, _ in ids])
            for signature, (id, _) in zip(made.signatures, ids, strict=False):
                publishing.after(signature, id)
            if place is not None:
                place.finish(made.ends)
        return made.handle

    def apply_here(
        self,
        signature: Signature[Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> Any:
        """Makes a call, or all of a canvas, here and now."""
        from pyqueue.applying import applied  # noqa: PLC0415  for those who use it

        return applied(cast("PyQueue", self), signature, args, kwargs, options)
