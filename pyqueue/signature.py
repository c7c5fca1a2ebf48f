"""A call that has not been made: a value that can be stored, changed into another, and sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from typing import Unpack

    from pyqueue.options import CallOptionsDict

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_ARGUMENTS = (
    "a call of {} takes a list or tuple and a dict of arguments, not {}; write (value,) for a single one"
)


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


class Signature(Generic[R]):
    """Task name, arguments and options of a call. Immutable; ``set`` and ``clone`` return another one."""

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
        return type(self)(
            self.task,
            (*args, *self.args),
            {**self.kwargs, **(kwargs or {})},
            {**self.options, **options},
            immutable=self.immutable,
            sender=self._sender,
        )

    def set(self, *, immutable: bool | None = None, **options: Unpack[CallOptionsDict]) -> Signature[R]:
        """Another one with these options put over ours."""
        return type(self)(
            self.task,
            self.args,
            self.kwargs,
            {**self.options, **options},
            immutable=self.immutable if immutable is None else immutable,
            sender=self._sender,
        )

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
        if self._sender is None:
            raise TypeError(f"the signature of {self.task} belongs to no app; use app.send(signature)")
        return self._sender.send(self.clone(args, kwargs, **options) if args or kwargs or options else self)

    def to_dict(self) -> dict[str, Any]:
        """Celery's dictionary form."""
        return {
            "task": self.task,
            "args": list(self.args),
            "kwargs": dict(self.kwargs),
            "options": dict(self.options),
            "subtask_type": self.subtask_type,
            "immutable": self.immutable,
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any], sender: Sender | None = None) -> Signature[Any]:
        """Reads Celery's dictionary form. Raises ValueError for a canvas (``subtask_type``) or a missing task."""
        if form.get("subtask_type") is not None:
            raise ValueError(f"a {form['subtask_type']} is not a plain signature")
        if not isinstance(form.get("task"), str):
            raise ValueError("a signature needs the name of its task")
        return Signature(
            form["task"],
            form.get("args") or (),
            form.get("kwargs"),
            form.get("options"),
            immutable=bool(form.get("immutable", False)),
            sender=sender,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        from pyqueue.redaction import masked  # noqa: PLC0415

        shown = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in masked(self.kwargs).items())]
        return f"{self.task}({', '.join(shown)})"
