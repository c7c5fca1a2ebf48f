"""What chains, groups and chords have in common: calls that hold other calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain as chain_of
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pyqueue.exceptions import InvalidJob
from pyqueue.forms import signature_of
from pyqueue.signature import NEWEST, Pending, Sender, Signature

if TYPE_CHECKING:
    from typing import Self, Unpack

    from pyqueue.options import CallOptionsDict

R = TypeVar("R")


class PendingGroup(Protocol[R]):
    """What sending several returns; ``group_result.GroupResult`` is one."""

    @property
    def id(self) -> str | None: ...
    @property
    def results(self) -> Sequence[Pending[R]]: ...
    @property
    def children(self) -> Sequence[Pending[R]]: ...
    def get(self, timeout: float | None = None, propagate: bool = True) -> list[R]: ...
    def ready(self) -> bool: ...
    def successful(self) -> bool: ...
    def failed(self) -> bool: ...
    def completed_count(self) -> int: ...
    def revoke(self) -> Any: ...
    def save(self) -> Any: ...


class Lazily:
    """Members that a generator gives when they are first wanted."""

    __slots__ = ("_known", "_source")

    def __init__(self, source: Iterator[Any]) -> None:
        self._source: Iterator[Any] | None = source
        self._known: tuple[Signature[Any], ...] | None = None

    def all(self) -> tuple[Signature[Any], ...]:
        """The members, kept from now on."""
        if self._known is None:
            self._known = tuple(self.passing())
        return self._known

    def first(self) -> Signature[Any] | None:
        """The first member; the generator goes on with it."""
        if self._known is None and self._source is not None:
            found = next(self._source, None)
            self._source = iter(()) if found is None else chain_of((found,), self._source)
            return None if found is None else member(found)
        return next(iter(self._known or ()), None)

    def passing(self) -> Iterator[Signature[Any]]:
        """The members one by one. They aren't kept: a generator gives them once."""
        if self._known is not None:
            yield from self._known
            return
        source, self._source = self._source, None
        if source is None:
            raise InvalidJob(
                "the generator of this group has been used up; make the group of a list to use it again"
            )
        yield from map(member, source)


def member(given: Signature[Any] | Mapping[str, Any]) -> Signature[Any]:
    """A signature, or Celery's dictionary of one. Raises TypeError for anything else."""
    if isinstance(given, Signature):
        return given
    if isinstance(given, Mapping):
        return signature_of(given)
    raise TypeError(f"a workflow is made of signatures, such as add.s(1), not of {given!r:.80}")


def members_of(tasks: tuple[Any, ...]) -> tuple[Signature[Any], ...] | Lazily:
    """Of ``group(a, b)``, ``group([a, b])`` or ``group(of a generator)``."""
    given = tasks[0] if len(tasks) == 1 else tasks
    if isinstance(given, (Signature, Mapping)):
        return (member(given),)
    if isinstance(given, Lazily):
        return given
    if isinstance(given, Sequence):
        return tuple(map(member, given))
    if not isinstance(given, Iterable):
        raise TypeError(f"a workflow is made of signatures, such as add.s(1), not of {given!r:.80}")
    return Lazily(iter(given))


class Composed(Signature[R]):
    """What the three have in common. ``args`` and ``more`` go to those that start first."""

    __slots__ = ()
    name: ClassVar[str]
    holds: ClassVar[str] = "tasks"

    def _compose(self, parts: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        Signature.__init__(self, f"celery.{self.name}", (), parts, options)

    @property
    def tasks(self) -> tuple[Signature[Any], ...]:
        """The steps or members."""
        held = self.kwargs[self.holds]
        return held.all() if isinstance(held, Lazily) else held

    @property
    def more(self) -> Mapping[str, Any]:
        """Keywords for those that start first."""
        more: Mapping[str, Any] = self.kwargs.get("kwargs") or {}
        return more

    @property
    def sender(self) -> Sender | None:
        """Who would send it: who would send its first signature."""
        if self._sender is not None:
            return self._sender
        each: Signature[Any] | None = self
        while isinstance(each, Composed):
            if each._sender is not None:
                return each._sender
            each = each.first() or each.follower
        return next(iter(NEWEST), None) if each is None else each.sender

    def first(self) -> Signature[Any] | None:
        """The first of ``tasks``; a generator is asked for no more."""
        held = self.kwargs[self.holds]
        return held.first() if isinstance(held, Lazily) else next(iter(held), None)

    @property
    def follower(self) -> Signature[Any] | None:
        """What waits for all of ``tasks``."""
        return None

    def clone(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Self:
        """Another one; ``args`` and ``kwargs`` go to those that start first, unless it is immutable."""
        if self.immutable:
            args, kwargs = (), None
        parts = {**self.kwargs, "kwargs": {**self.more, **kwargs}} if kwargs else self.kwargs
        return self._again((*args, *self.args), parts, {**self.options, **options}, self.immutable)

    def holding(self, **parts: Any) -> Self:
        """Another one with other parts."""
        return self._again(self.args, {**self.kwargs, **parts}, self.options, self.immutable)

    def _hold(self, **parts: Any) -> None:
        object.__setattr__(self, "kwargs", MappingProxyType({**self.kwargs, **parts}))

    def __call__(self, *args: Any, **options: Unpack[CallOptionsDict]) -> Any:
        return self.apply_async(args, **options)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        # Not nested: it may be a thousand levels deep.
        shown = [each.task if isinstance(each, Composed) else repr(each) for each in self.tasks[:4]]
        return f"{self.name}({', '.join(shown)}{', …' if len(self.tasks) > 4 else ''})"
