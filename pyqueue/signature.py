"""A call that has not been made: a value that can be stored, changed into another, composed, and sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from typing import Self, Unpack

    from pyqueue.eager import EagerResult
    from pyqueue.options import CallOptionsDict

    Callback = TypeVar("Callback", bound="Signature[Any] | Mapping[str, Any]")

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_ARGUMENTS = (
    "a call of {} takes a list or tuple and a dict of arguments, not {}; write (value,) for a single one"
)


NEWEST: Final[list[Any]] = []
"""The app that sends what has none of its own: shared tasks, and canvases without members."""


def several(calls: Any) -> list[Any]:
    """What ``link`` and ``link_error`` hold, as a list."""
    if calls is None:
        return []
    return [calls] if isinstance(calls, (Signature, Mapping, str)) else list(calls)


class Pending(Protocol[R_co]):
    """What sending returns; ``result.AsyncResult`` is one."""

    @property
    def id(self) -> str: ...
    @property
    def created(self) -> bool | None: ...
    @property
    def state(self) -> str: ...
    def get(self, timeout: float | None = None, propagate: bool = True) -> R_co: ...
    def ready(self) -> bool: ...


class Sender(Protocol):
    """Who makes jobs of signatures; the app is one."""

    def send(self, signature: Signature[R]) -> Pending[R]: ...
    def apply_here(
        self,
        signature: Signature[Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> Any: ...


class Signature(Generic[R]):
    """Task name, arguments and options of a call; ``a.s(1) | b.s()`` makes a chain.

    Immutable but for ``link`` and ``link_error``, which add to it as Celery's do; ``set`` and ``clone`` return another
    one.
    """

    __slots__ = ("_sender", "args", "immutable", "kwargs", "options", "task")

    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]
    immutable: bool
    """Whether a chain may not add the result of the step before (``si``)."""
    _sender: Sender | None
    subtask_type: ClassVar[str | None] = None

    def __init__(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        sender: Sender | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "task", task)
        if isinstance(args, (str, bytes)):
            raise TypeError(_NO_ARGUMENTS.format(task, type(args).__name__))
        try:
            put(self, "args", tuple(args))
            put(self, "kwargs", MappingProxyType(dict(kwargs)) if kwargs else _NONE)
        except (TypeError, ValueError):
            raise TypeError(
                _NO_ARGUMENTS.format(task, f"{type(args).__name__} and {type(kwargs).__name__}")
            ) from None
        put(self, "options", MappingProxyType(dict(options)) if options else _NONE)
        put(self, "immutable", immutable)
        put(self, "_sender", sender)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"a signature can't be changed; use .set() or .clone() instead of setting {name!r}"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a signature can't be changed")

    def clone(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Signature[R]:
        """Another one, with ``args`` put first and keywords and options put over ours; immutable ones keep theirs."""
        if self.immutable:
            args, kwargs = (), None
        return self._again(
            (*args, *self.args),
            {**self.kwargs, **(kwargs or {})},
            {**self.options, **options},
            self.immutable,
        )

    def set(self, *, immutable: bool | None = None, **options: Unpack[CallOptionsDict]) -> Signature[R]:
        """Another one with these options put over ours."""
        return self._again(
            self.args,
            self.kwargs,
            {**self.options, **options},
            self.immutable if immutable is None else immutable,
        )

    def _again(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], immutable: bool
    ) -> Self:
        """Another one of the same class and sender."""
        other = object.__new__(type(self))
        Signature.__init__(other, self.task, args, kwargs, options, immutable=immutable, sender=self._sender)
        return other

    def link(self, callback: Callback) -> Callback:
        """Adds a call that is made with the result; returns it, as in Celery."""
        self._add("link", callback)
        return callback

    def link_error(self, errback: Callback) -> Callback:
        """Adds a call that is made with the id if the job fails; returns it, as in Celery."""
        self._add("link_error", errback)
        return errback

    def on_error(self, errback: Callback) -> Self:
        """As ``link_error``; returns this signature, so that it can be sent in the same line."""
        self.link_error(errback)
        return self

    def _add(self, name: str, call: Callback) -> None:
        calls = several(self.options.get(name))
        if call not in calls:
            object.__setattr__(self, "options", MappingProxyType({**self.options, name: [*calls, call]}))

    def __or__(self, other: Signature[Any]) -> Signature[Any]:
        """The chain of the two, or what Celery makes of them."""
        if not isinstance(other, Signature):
            return NotImplemented
        from pyqueue.folding import folded  # noqa: PLC0415  it imports this module

        return folded(self, other)

    @property
    def sender(self) -> Sender | None:
        """Who would send it."""
        return self._sender

    def delay(self, *args: Any, **kwargs: Any) -> Pending[R]:
        """Makes the call, with ``args`` put first."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> Pending[R]:
        """Makes the call. Raises TypeError if the signature belongs to no app."""
        sender = self._known_sender()
        return sender.send(self.clone(args, kwargs, **options) if args or kwargs or options else self)

    def _known_sender(self) -> Sender:
        sender = self.sender
        if sender is None:
            raise TypeError(f"the signature of {self.task} belongs to no app; use app.send(signature)")
        return sender

    def apply(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> EagerResult[R]:
        """Makes the call here and now, as a worker would; with ``args`` put first. Raises TypeError if the signature
        belongs to no app."""
        return self._known_sender().apply_here(self, args, kwargs, options)  # type: ignore[no-any-return]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the task here and now, with ``args`` put first, as in Celery; what it raises is raised."""
        return self.apply(args, kwargs).get()

    def to_dict(self) -> dict[str, Any]:
        """Celery's dictionary form."""
        from pyqueue.forms import form_of  # noqa: PLC0415  it imports this module

        return form_of(self)

    @classmethod
    def from_dict(cls, form: Mapping[str, Any], sender: Sender | None = None) -> Signature[Any]:
        """Reads Celery's dictionary form, of a canvas too. Raises ValueError for what is none."""
        from pyqueue.forms import signature_of  # noqa: PLC0415  it imports this module

        return signature_of(form, sender)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        from pyqueue.redaction import masked  # noqa: PLC0415

        shown = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in masked(self.kwargs).items())]
        return f"{self.task}({', '.join(shown)})"
