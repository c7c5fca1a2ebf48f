"""A canvas as a plan: one job for each signature, and nodes where jobs wait for each other.

Nothing here is recursive: a chain may have 100,000 steps and a canvas a thousand levels.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from pyqueue import signals
from pyqueue._core import Plan
from pyqueue.canvas import Chain, checked_policy, chord, group
from pyqueue.composed import Composed, member
from pyqueue.exceptions import InvalidJob
from pyqueue.group_result import GroupResult
from pyqueue.message import Place, ending_of, usual_job
from pyqueue.moments import is_instant, length_us
from pyqueue.result import AsyncResult
from pyqueue.shape import first_of, is_several, last_of, members, shared, steps_of
from pyqueue.signature import Signature, several
from pyqueue.unwinding import unwound

if TYPE_CHECKING:
    from pyqueue._core import NewJob
    from pyqueue.app import PyQueue

Handle = AsyncResult[Any] | GroupResult[Any]
Placed = tuple[Handle | None, int | None]
"""What stands for it outside, and the node that has its value, if one was made for it."""
Placing = Generator["Placing", Placed, Placed]

ROOT: Final = 0
_DELAYS: Final = ("countdown", "eta")


class Spot(NamedTuple):
    """Where a signature stands: what it waits for, what it fills, and what it gets from around it."""

    fills: tuple[int, int] | None
    """An input of a node; None makes a node of its own for its value."""
    after: int | None = None
    takes: bool = False
    whole: bool = False
    """Whether its value is the workflow's."""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    links: tuple[Any, ...] = ()
    errbacks: tuple[Any, ...] = ()
    errbacks_of_chords: tuple[Any, ...] = ()
    """For the chords among the members of a header."""
    group: str | None = None
    chord: str | None = None
    parent: Handle | None = None
    run: str = "success"
    """When those that wait for it run."""
    root: str | None = None
    leads: bool = False
    """Whether its first job gets the id ``root``."""
    how: str = "value"
    """How what it waits for is taken."""
    undo: NewJob | None = None


class Planned:
    """A plan, and the handles of its jobs, which get their ids once it is stored."""

    def __init__(self, plan: Plan, handle: Any, ends: list[Any], handles: list[AsyncResult[Any]]) -> None:
        self.plan: Final = plan
        self.handle: Final = handle
        """What stands for all of it."""
        self.ends: Final = ends
        """The handles that tell how it has ended."""
        self.signatures: list[Signature[Any]] = []
        """In the order of the plan, if somebody wants to know."""
        self._handles = handles

    def stored(self, made: Iterable[tuple[str, bool]]) -> None:
        """Gives the handles their ids."""
        for handle, (id, created) in zip(self._handles, made, strict=True):
            handle.id = id
            handle.created = created


class Planner:
    """Makes one plan."""

    def __init__(self, app: PyQueue, name: str, values: str = "one") -> None:
        self._app = app
        self._name = name
        self.plan = Plan(1, values=values, name=name)
        self._handles: list[AsyncResult[Any]] = []
        self._signatures: list[Signature[Any]] | None = [] if signals.after_task_publish else None
        self._store = app.store
        self._quick = app.quick_patterns()
        self._endings: dict[Place, bytes] = {}
        # The members of a group have one spot, and so one place.
        self._spot: Spot | None = None
        self._immutable = False
        self._near = Place()
        self._first: tuple[Any, ...] = ()
        self._max_body = app.max_body

    def finished(self, handle: Any, ends: list[Any] | None = None) -> Planned:
        """What was made."""
        planned = Planned(self.plan, handle, [handle] if ends is None else ends, self._handles)
        planned.signatures = self._signatures or []
        return planned

    def placed(self, signature: Signature[Any], spot: Spot) -> Placed:
        """Places a signature with all that is in it."""
        return unwound(self._place(signature, spot))  # type: ignore[no-any-return]

    def _place(self, signature: Signature[Any], spot: Spot) -> Placing:
        if isinstance(signature, Composed):
            spot = _led(signature, spot)
        if isinstance(signature, Chain):
            return (yield self._chain(signature, spot))
        if isinstance(signature, chord):
            return (yield self._chord(signature, spot))
        if is_several(signature):
            return (yield self._several(signature, spot))
        return self.one(signature, spot)

    def one(self, signature: Signature[Any], spot: Spot) -> Placed:
        """Places one job."""
        node = None
        fills = spot.fills
        if fills is None:
            node = self.plan.node(1, run=spot.run)
            fills = (node, 0)
        if signature.immutable:
            call = signature.set(**spot.options) if spot.options else signature
        elif spot.args or spot.kwargs or spot.options:
            call = signature.clone(spot.args, spot.kwargs, **spot.options)
        else:
            call = signature
        if spot.links or spot.errbacks:
            call = call.set()
            for callback in spot.links:
                call.link(callback)
            for errback in spot.errbacks:
                call.link_error(errback)
        handle = self.job(call, spot, fills)
        return handle, node

    def job(self, call: Signature[Any], spot: Spot, fills: tuple[int, int]) -> AsyncResult[Any]:
        """Adds the job of a call, and its handle."""
        options = call.options
        if options and options.get("dedup_key") is not None:
            raise InvalidJob(
                f"{call.task} can't have a dedup_key in a workflow: another job would stand in its place; leave it out"
            )
        if spot.leads and options.get("task_id") is None:
            call = call.set(task_id=spot.root)
        if spot is not self._spot or call.immutable is not self._immutable:
            self._spot, self._immutable = spot, call.immutable
            self._near = _place_of(spot, spot.how if spot.takes and not call.immutable else "nothing")
            self._first = (None,) if self._near.takes == "value" else ()
        if self._near.takes != "spread":
            self._app.refuse_misfit(call, self._first)
        job, lifetime_us = self._job_of(call, self._near)
        self.plan.add(job, after=spot.after, fills=fills, lifetime_us=lifetime_us, undo=spot.undo)
        handle: AsyncResult[Any] = AsyncResult("", self._store, True, spot.parent)
        self._handles.append(handle)
        if self._signatures is not None:
            self._signatures.append(call)
        return handle

    def _job_of(self, call: Signature[Any], place: Place) -> tuple[NewJob, int | None]:
        """Its job, and how long that may wait once it is released."""
        quick = self._quick
        like = None if quick is None or call.options or type(call) is not Signature else quick.get(call.task)
        if like is not None:
            ending = self._endings.get(place)
            if ending is None:
                ending = self._endings[place] = ending_of(place)
            return usual_job(like, call, self._max_body, ending), None
        job = self._app.job_of(call, place)
        expires = self._app.options_of(call).expires if place.held else None
        if expires is None or is_instant(expires):
            return job, None
        return job, length_us(cast("float", expires), "an expiry")

    def _several(self, signature: Signature[Any], spot: Spot) -> Placing:
        options = spot.options
        name = options.get("task_id") or signature.options.get("task_id")
        if name is not None:
            options = {each: value for each, value in options.items() if each != "task_id"}
        if spot.whole:
            node, name = ROOT, self._name
        else:
            node = self.plan.node(0, values="list", run=spot.run)
        id = str(name or uuid.uuid4())
        results: list[Any] = []
        whole = GroupResult[Any](id, results, self._store, parent=spot.parent, workflow=spot.whole)
        given = spot._replace(
            whole=False,
            group=id,
            parent=None,
            options=options,
            links=(),
            errbacks_of_chords=(),
        )
        links = spot.links
        bare = not given.leads and _is_bare(given, spot)
        # A generator gives its members as they are placed: none is kept.
        for position, (each, around) in enumerate(members(signature)):
            if bare and type(each) is Signature and not around:
                # 100,000 of them shall be there in two seconds.
                results.append(self.job(each, given, (node, position)))
                continue
            inner = given._replace(fills=(node, position))
            if around:
                inner = inner._replace(options={**around, **options})
            if spot.errbacks_of_chords and isinstance(each, chord):
                inner = inner._replace(errbacks=spot.errbacks_of_chords)
            if links:
                # As Celery: the first has no result of all of them to give.
                inner = inner._replace(links=tuple(member(link).set(immutable=True) for link in links))
                links = ()
            if isinstance(each, Composed):
                handle, _ = yield self._place(each, inner)
            else:
                handle, _ = self.one(each, inner)
            if given.leads:
                given = given._replace(leads=False)
                bare = _is_bare(given, spot)
            results.append(handle)
        self.plan.resize(node, len(results))
        if spot.fills is not None and not spot.whole:
            self.plan.forward(node, *spot.fills)
        return whole, node

    def _chain(self, chain: Chain[Any], spot: Spot) -> Placing:
        steps = steps_of(chain)
        if not steps:
            raise InvalidJob("a chain without steps has nothing to wait for; give it a signature")
        end = len(steps) - 1
        inner = spot._replace(links=(), fills=None, whole=False, group=None, chord=None, run="success")
        if "task_id" in spot.options:
            options = {name: value for name, value in spot.options.items() if name != "task_id"}
            inner = inner._replace(options=options)
        placed: Placed = (None, None)
        for position, step in enumerate(steps):
            if position == end:
                inner = inner._replace(
                    fills=spot.fills,
                    whole=spot.whole,
                    links=spot.links,
                    group=spot.group,
                    chord=spot.chord,
                    run=spot.run,
                )
                if "task_id" in spot.options:
                    inner = inner._replace(options={**inner.options, "task_id": spot.options["task_id"]})
            if isinstance(step, Composed) or is_several(step):
                placed = yield self._place(step, inner)
            else:
                placed = self.one(step, inner)
            inner = Spot(None, placed[1], True, errbacks=spot.errbacks, parent=placed[0], root=spot.root)
        return placed

    def _chord(self, whole: chord[Any], spot: Spot) -> Placing:
        body = whole.body
        if body is None:
            raise InvalidJob("this chord has no body to call; write chord(header, body)")
        run = "always" if checked_policy(whole.options.get("on_error")) == "run" else "success"
        options = {name: value for name, value in spot.options.items() if name not in _DELAYS}
        after = spot._replace(args=(), kwargs={}, options=options)
        header: group[Any] = group(whole.tasks)
        if next(members(header), None) is None:
            # Nobody to wait for but what the chord itself waits for.
            return (yield self._place(body, after._replace(args=([],), takes=False)))
        task = last_of(body)
        first = spot._replace(
            fills=None,
            whole=False,
            options={name: value for name, value in spot.options.items() if name != "task_id"},
            links=(),
            errbacks=(),
            errbacks_of_chords=spot.errbacks,
            chord=None if task is None else task.task,
            run=run,
        )
        results, node = yield self._several(header, first)
        after = after._replace(after=node, takes=True, parent=results, leads=False)
        return (yield self._place(body, after))


def _is_bare(given: Spot, spot: Spot) -> bool:
    """Whether the members of a group get nothing from around it."""
    return not (
        given.args or given.kwargs or given.options or given.errbacks or spot.links or spot.errbacks_of_chords
    )


def _place_of(spot: Spot, takes: str) -> Place:
    if spot.after is not None:
        return Place(True, takes, spot.root, spot.group, spot.chord)
    return Place(False, None, None if spot.leads else spot.root, spot.group, spot.chord)


def _led(signature: Composed[Any], spot: Spot) -> Spot:
    """What a canvas says of itself goes on to its parts with what is said around it."""
    if spot.root is None and spot.after is None and not isinstance(signature, group):
        # Those that wait name the first job as their root, before the file could give it an id.
        first = first_of(signature)
        id = (first.options.get("task_id") if first is not None else None) or str(uuid.uuid4())
        spot = spot._replace(root=id, leads=True)
    if signature.immutable:
        spot = spot._replace(args=signature.args, kwargs=signature.more, takes=False)
    elif signature.args or signature.more:
        spot = spot._replace(args=(*spot.args, *signature.args), kwargs={**signature.more, **spot.kwargs})
    own = signature.options
    if not own:
        return spot
    options = {**shared(own), **spot.options}
    if own.get("task_id") is not None and not isinstance(signature, group):
        options.setdefault("task_id", own["task_id"])
    return spot._replace(
        options=options,
        links=(*spot.links, *several(own.get("link"))),
        errbacks=(*spot.errbacks, *several(own.get("link_error"))),
    )


def planned(app: PyQueue, signature: Signature[Any]) -> Planned:
    """The plan of a canvas. Raises what its arguments and options raise, EncodeError, InvalidJob, TypeError."""
    last = last_of(signature)
    several_last = last is not None and is_several(last)
    name = None
    for each in (signature, last):
        if each is not None and several_last and each.options.get("task_id") is not None:
            name = each.options["task_id"]
            break
    planner = Planner(app, str(name or uuid.uuid4()), "list" if several_last else "one")
    handle, _ = planner.placed(signature, Spot((ROOT, 0), whole=True))
    return planner.finished(handle)
