"""Calls composed of calls: ``chain``, ``group``, ``chord``, with Celery's meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from pyqueue.composed import Composed, Lazily, PendingGroup, member, members_of
from pyqueue.exceptions import InvalidJob
from pyqueue.forms import signature_of
from pyqueue.mapped import Chunks as Chunks
from pyqueue.mapped import Starmap as Starmap
from pyqueue.mapped import Xmap as Xmap
from pyqueue.signature import Signature, several

if TYPE_CHECKING:
    from typing import Self, Unpack

    from pyqueue.options import CallOptionsDict
    from pyqueue.signature import Callback

R = TypeVar("R")

POLICIES: Final = ("fail", "run")


def checked_policy(given: Any) -> str:
    """What a chord does where a member of its header fails. Raises InvalidJob."""
    if given is None:
        return POLICIES[0]
    if given not in POLICIES:
        raise InvalidJob(f"on_error of a chord is 'fail' or 'run', not {given!r:.80}")
    return str(given)


class Chain(Composed[R]):
    """Steps, each called with the result of the one before; its result is the last one's. ``chain`` makes it."""

    __slots__ = ()
    name = "chain"
    subtask_type: ClassVar[str | None] = "chain"

    def __init__(self, *tasks: Any, **options: Any) -> None:
        held = members_of(tasks)
        self._compose({"tasks": held.all() if isinstance(held, Lazily) else held}, options)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Any:
        """Sends it; the handle of the last step. As in Celery nothing is sent of a chain without steps: None."""
        return super().apply_async(args, kwargs, **options) if self.tasks else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.apply_async(args, kwargs)

    def unchained(self) -> tuple[Signature[Any], ...]:
        """Its steps as part of another chain: ``link`` goes to the last, ``link_error`` to each, ``args`` to the first."""
        steps = list(self.tasks)
        if steps and (self.args or self.more):
            steps[0] = steps[0].clone(self.args, self.more)
        links, errbacks = several(self.options.get("link")), several(self.options.get("link_error"))
        if errbacks or (steps and links):
            steps = [each.set() for each in steps]
            for callback in links:
                steps[-1].link(callback)
            for each in steps:
                for errback in errbacks:
                    each.link_error(errback)
        return tuple(steps)


def chain(*tasks: Any, **options: Any) -> Any:
    """``chain(a.s(), b.s(), …)`` or of an iterable: each step is called with the result of the one before.

    As in Celery ``chain(group(…), x)`` is a chord, and ``chain(x)`` of one signature a chain of one.
    """
    if options or (len(tasks) == 1 and isinstance(tasks[0], Signature)):
        return Chain(*tasks, **options)
    from pyqueue.folding import chained  # noqa: PLC0415  it imports this module

    return chained(map(member, tasks[0] if len(tasks) == 1 and not isinstance(tasks[0], Mapping) else tasks))


class group(Composed[list[R]]):
    """Members that run at the same time; the result is the list of theirs.

    Of a generator the members are made as they are stored, and not kept: then it can be sent once.
    """

    __slots__ = ()
    name = "group"
    subtask_type: ClassVar[str | None] = "group"

    def __init__(self, *tasks: Any, **options: Any) -> None:
        if len(tasks) == 1 and isinstance(tasks[0], group):
            tasks = (tasks[0].kwargs["tasks"],)
        self._compose({"tasks": members_of(tasks)}, options)

    def apply_async(  # type: ignore[override]
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> PendingGroup[R]:
        """Sends it, with options for each member. Raises TypeError for ``link`` and ``link_error``, as
        Celery's."""
        for name, instead in (("link", "group | callback"), ("link_error", "group.link_error(errback)")):
            if options.get(name) is not None:
                raise TypeError(
                    f"a group can't be sent with {name}, since it is no job itself; use {instead}"
                )
        sent: Any = super().apply_async(args, kwargs, **options)
        return sent  # type: ignore[no-any-return]

    def delay(self, *args: Any, **kwargs: Any) -> PendingGroup[R]:  # type: ignore[override]
        """Sends it, with arguments for each member."""
        return self.apply_async(args, kwargs)

    def passing(self) -> Iterator[Signature[Any]]:
        """The members one by one, once if a generator gives them."""
        held = self.kwargs["tasks"]
        return held.passing() if isinstance(held, Lazily) else iter(held)

    def link(self, callback: Callback) -> Callback:
        """As in Celery: called after the first member, without its result. ``group | callback`` waits for all."""
        if not self.tasks:
            raise InvalidJob("a group without members has nobody to link to; use  group | callback")
        first = self.tasks[0].set()
        first.link(member(callback).set(immutable=True))
        self._hold(tasks=(first, *self.tasks[1:]))
        return callback

    def link_error(self, errback: Callback) -> Callback:
        """Called for each member that fails."""
        held = self.kwargs["tasks"]
        linked = (each.set().on_error(errback) for each in self.passing())
        self._hold(tasks=Lazily(linked) if isinstance(held, Lazily) else tuple(linked))
        return errback

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Self:
        """Lets the members start one after the other: a countdown for each, from ``start`` in steps up to ``stop``."""
        skewed = []
        countdown = start
        for each in self.tasks:
            skewed.append(each.set(countdown=countdown))
            countdown = countdown + step if stop is None else min(stop, countdown + step)
        self._hold(tasks=tuple(skewed))
        return self


class chord(Composed[R]):
    """A body that is called with the list of the header's results, once all have ended.

    If a member of the header fails, ``on_error="fail"`` (the default) fails the body with ChordError without running it;
    "run" calls it, with the exceptions of those that failed in their places of the list.
    """

    __slots__ = ()
    name = "chord"
    holds = "header"
    subtask_type: ClassVar[str | None] = "chord"

    def __init__(self, header: Any, body: Any = None, **options: Any) -> None:
        if isinstance(header, Mapping):
            header = member(header)
        if isinstance(header, (group, Chain)):
            header = header.kwargs["tasks"]
        checked_policy(options.get("on_error"))
        self._compose(
            {"kwargs": {}, "header": members_of((header,)), "body": None if body is None else member(body)},
            options,
        )

    @property
    def body(self) -> Signature[Any] | None:
        """What is called with the list."""
        body: Signature[Any] | None = self.kwargs["body"]
        return body

    @property
    def follower(self) -> Signature[Any] | None:
        """The body."""
        return self.body

    def header(self) -> group[Any]:
        """The header as a group."""
        return group(self.kwargs["header"])

    def __call__(self, body: Any = None, **options: Unpack[CallOptionsDict]) -> Any:  # type: ignore[override]
        whole = self if body is None else self.holding(body=member(body))
        return whole.apply_async(**options)

    def link(self, callback: Callback) -> Callback:
        """Called with the body's result."""
        self._hold(body=self._body_to_change())
        self.kwargs["body"].link(callback)
        return callback

    def link_error(self, errback: Callback) -> Callback:
        """Called with the body's id, also where a member of the header has failed it."""
        self._hold(body=self._body_to_change())
        self.kwargs["body"].link_error(errback)
        if any(isinstance(each, chord) for each in self.tasks):
            self._hold(
                header=tuple(
                    each.set().on_error(errback) if isinstance(each, chord) else each for each in self.tasks
                )
            )
        return errback

    def on_error(self, errback: Any) -> Self:
        """A policy ("fail" or "run"; returns another chord), or as ``link_error``."""
        if isinstance(errback, str):
            options = {**self.options, "on_error": checked_policy(errback)}
            return self._again(self.args, self.kwargs, options, self.immutable)
        self.link_error(errback)
        return self

    def _body_to_change(self) -> Signature[Any]:
        if self.body is None:
            raise InvalidJob("this chord has no body yet to link to; write chord(header, body)")
        return self.body.set()


def signature(varies: Any, *args: Any, **options: Any) -> Signature[Any]:
    """A signature of a dictionary, of another signature, or of a task's name: ``signature("tasks.add", args=(2, 2))``."""
    if isinstance(varies, Signature):
        return varies.clone()
    if isinstance(varies, Mapping):
        return signature_of(varies)
    return Signature(getattr(varies, "name", varies), *args, **options)


def maybe_signature(given: Any, app: Any = None) -> Signature[Any] | None:
    """A signature of a dictionary, a signature as it is, None of None."""
    if given is None or isinstance(given, Signature):
        return given
    return signature_of(given, app)


xmap, xstarmap, starmap, chunks = Xmap, Starmap, Starmap, Chunks
