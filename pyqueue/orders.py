"""Commands to workers: what each is called, what it takes, and the decorators that make more of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar, overload

from pyqueue.exceptions import InvalidCommand

F = TypeVar("F", bound=Callable[..., Any])

Argument = tuple[str, Callable[[Any], Any]]

TIME_LIMIT: Final = 10.0
"""Seconds for which a worker waits for a command of the app's own."""

LONGEST: Final = 1e10
"""Seconds: no time limit is longer."""


class Order(NamedTuple):
    """A command."""

    name: str
    help: str = ""
    args: tuple[Argument, ...] = ()
    variadic: str | None = None
    """What takes the rest of the words, as a list."""
    signature: str = ""
    """How it is written, for people."""
    required: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    """What is only written as ``name=value``."""
    asks: bool = False
    """It changes nothing."""
    alone: bool = False
    """It is about the file, and done by whoever gives it."""
    timeout: float = 1.0
    """Seconds to wait for answers."""
    time_limit: float = TIME_LIMIT
    visible: bool = True
    function: Callable[..., Any] | None = None
    """Of the app's own ones; called with the worker's state and the arguments."""

    @property
    def usage(self) -> str:
        """The command as it is written."""
        return f"{self.name} {self.signature}".strip()

    def of_words(self, words: Sequence[str]) -> dict[str, Any]:
        """Arguments from the command line: in order, or as ``name=value``. Raises InvalidCommand."""
        names = [name for name, _ in self.args]
        given: dict[str, Any] = {}
        rest: list[str] = []
        for word in words:
            name, equals, value = word.partition("=")
            free = [each for each in names if each not in given and each not in self.named]
            if equals and name in names:
                given[name] = value
            elif free:
                given[free[0]] = word
            elif self.variadic is not None:
                rest.append(word)
            else:
                raise InvalidCommand(f"{word!r:.80} is one argument too many; it is written: {self.usage}")
        if rest and self.variadic is not None:
            given[self.variadic] = rest
        return given

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of the types that it takes. Raises InvalidCommand."""
        types = dict(self.args)
        found: dict[str, Any] = {}
        for name, value in arguments.items():
            if value is None:
                # For ours that is as if nothing were said; the app's own may mean something by it.
                if self.function is not None:
                    found[name] = None
            elif name == self.variadic:
                single = isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)
                found[name] = value if isinstance(value, Mapping) else [value] if single else list(value)
            elif name in types:
                found[name] = self._typed(name, types[name], value)
            elif self.function is not None:
                found[name] = value
            else:
                raise InvalidCommand(f"{self.name} takes no {name!r:.80}; it is written: {self.usage}")
        if self.function is None:
            missing = [name for name in self.required if name not in found]
            if missing:
                raise InvalidCommand(f"{self.name} needs {missing[0]}; it is written: {self.usage}")
        else:
            import inspect  # noqa: PLC0415  for those who have commands of their own

            try:
                inspect.signature(self.function).bind(None, **found)
            except TypeError as error:
                raise InvalidCommand(f"{self.name}: {error}; it is written: {self.usage}") from None
        return found

    def _typed(self, name: str, kind: Callable[[Any], Any], value: Any) -> Any:
        try:
            return typed(kind, value)
        except InvalidCommand:
            raise
        except Exception as error:  # noqa: BLE001  a type of the app's own may raise anything
            what = getattr(kind, "__name__", repr(kind))
            why = "" if kind in (int, float, str, bool) else f": {error}"
            raise InvalidCommand(f"{name} of {self.name} is {what}, not {value!r:.80}{why}") from None


def typed(kind: Callable[[Any], Any], value: Any) -> Any:
    """A value as the type wants it, also where it was written as a word. Raises what that raises."""
    if kind is bool:
        return boolean(value)
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError
    if kind in (int, float) and isinstance(value, bool):
        raise ValueError
    if kind is str and not isinstance(value, str):
        raise ValueError
    found = value if isinstance(kind, type) and isinstance(value, kind) else kind(value)
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError
    return found


def boolean(value: Any) -> bool:
    """True or false, also as words. Raises ValueError."""
    words = {
        "true": True,
        "yes": True,
        "on": True,
        "1": True,
        "false": False,
        "no": False,
        "off": False,
        "0": False,
    }
    if isinstance(value, bool):
        return value
    return words[str(value).lower()]


class Panel:
    """Commands of the app's own, by name."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}

    @overload
    def register(self, function: F, /) -> F: ...
    @overload
    def register(self, function: None = None, /, **options: Any) -> Callable[[F], F]: ...
    def register(self, function: Any = None, /, **options: Any) -> Any:
        """Makes a command of a function; ``options`` are those of ``control_command``."""

        def add(made: F) -> F:
            self._add(made, **options)
            return made

        return add if function is None else add(function)

    def _add(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        alias: str | None = None,
        type: str = "control",
        visible: bool = True,
        default_timeout: float = 1.0,
        time_limit: float = TIME_LIMIT,
        help: str | None = None,
        signature: str | None = None,
        args: Sequence[Argument] | None = None,
        variadic: str | None = None,
    ) -> None:
        called = name or function.__name__
        args = tuple(args or ())
        usage = signature
        if usage is None:
            rest = [f"[{variadic}...]"] if variadic else []
            usage = " ".join([*(f"[{each}]" for each, _ in args), *rest])
        for each in filter(None, (called, alias)):
            if each in BUILT_IN:
                raise InvalidCommand(
                    f"{each} is a command of pyqueue's own; give yours another name with name="
                )
            self.orders[each] = Order(
                name=each,
                help=help or (function.__doc__ or "").strip().split("\n")[0],
                args=args,
                variadic=variadic,
                signature=usage,
                asks=type == "inspect",
                timeout=default_timeout,
                time_limit=time_limit,
                visible=visible and each == called,
                function=function,
            )


EVERYWHERE: Final = Panel()
"""Commands of every app in the process."""


@overload
def control_command(function: F, /) -> F: ...
@overload
def control_command(function: None = None, /, **options: Any) -> Callable[[F], F]: ...
def control_command(function: Any = None, /, **options: Any) -> Any:
    """Makes a command of ``function(state, …)``, for the workers of every app of the process.

    ``args`` are pairs of name and type, ``variadic`` names what takes the rest of the words; ``help``, ``signature``,
    ``name``, ``alias``, ``visible``, ``default_timeout`` as in Celery. After ``time_limit`` seconds the worker answers that
    it did not end. ``state`` has ``app`` and ``hostname``.
    """
    return EVERYWHERE.register(function, type="control", **options)


@overload
def inspect_command(function: F, /) -> F: ...
@overload
def inspect_command(function: None = None, /, **options: Any) -> Callable[[F], F]: ...
def inspect_command(function: Any = None, /, **options: Any) -> Any:
    """As ``control_command``, for one that changes nothing: the record keeps fewer of these."""
    return EVERYWHERE.register(function, type="inspect", **options)


def unknown(name: str, known: Iterable[str]) -> InvalidCommand:
    """What to raise for a name that is no command's."""
    import difflib  # noqa: PLC0415  most names are right

    near = difflib.get_close_matches(name, known, 3)
    hint = f"is it {' or '.join(near)}?" if near else "pyqueue control --list shows all."
    return InvalidCommand(
        f"there is no command {name!r:.80}: {hint} Those of an app are known where its module is loaded"
    )


_WISHES: Final = (("terminate", bool), ("signal", str))

BUILT_IN: Final = {
    order.name: order
    for order in (
        Order(
            "revoke",
            "Cancel jobs, or all of a task; those that run go on, unless terminate=true.",
            (*_WISHES, ("task", str)),
            "task_id",
            "[id1 [id2 [... [idN]]]] [task=PATTERN]",
            (),
            ("terminate", "signal", "task"),
            alone=True,
        ),
        Order(
            "terminate",
            "Cancel jobs, and end those that run.",
            (("signal", str),),
            "task_id",
            "<signal> [id1 [id2 [... [idN]]]]",
            ("task_id",),
            alone=True,
        ),
        Order(
            "revoke_by_stamped_headers",
            "Cancel the jobs that have one of these headers.",
            _WISHES,
            "headers",
            "[key1=value1 [key2=value2 [... [keyN=valueN]]]]",
            ("headers",),
            ("terminate", "signal"),
            alone=True,
        ),
        Order(
            "rate_limit",
            "Let only so many jobs of a task begin in a time, over all workers; 0 is any number.",
            (("task_name", str), ("rate_limit", str)),
            None,
            "<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>",
            ("task_name", "rate_limit"),
            alone=True,
        ),
        Order("enable_events", "Let everything that happens be written, whoever asks.", alone=True),
        Order("disable_events", "Let it be written only while somebody asks.", alone=True),
        Order(
            "time_limit",
            "Set the time limits of a task's jobs that begin from now on.",
            (("task_name", str), ("soft", float), ("hard", float)),
            None,
            "<task_name> [soft_secs [hard_secs]]",
            ("task_name",),
        ),
        Order(
            "pool_grow",
            "Start more children.",
            (("n", int),),
            None,
            "[N=1]",
        ),
        Order("pool_shrink", "Let children end their jobs and go.", (("n", int),), None, "[N=1]"),
        Order(
            "pool_restart",
            "Replace the children by new ones, which load the app anew.",
            (("modules", list), ("reload", bool)),
        ),
        Order(
            "autoscale",
            "Change the bounds of --autoscale.",
            (("max", int), ("min", int)),
            None,
            "[max [min]]",
        ),
        Order(
            "add_consumer",
            "Take jobs of a queue too.",
            (("queue", str), ("exchange", str), ("exchange_type", str), ("routing_key", str)),
            None,
            "<queue>",
            ("queue",),
        ),
        Order(
            "cancel_consumer", "Take no more jobs of a queue.", (("queue", str),), None, "<queue>", ("queue",)
        ),
        Order("shutdown", "Let workers end their jobs and stop.", (("msg", str),)),
        Order(
            "election",
            "Let exactly one of the workers send a signature.",
            (("id", str), ("topic", str), ("action", dict)),
            required=("id", "topic"),
            visible=False,
        ),
        Order("heartbeat", "Nothing: the kernel says who lives.", visible=False),
        Order("ping", "Ask the workers to answer.", asks=True, timeout=0.2),
    )
}
"""Those that are always there."""


def refuse_misfit(name: str, found: Mapping[str, Any]) -> None:
    """Raises InvalidCommand for values that none of ours can do anything with."""
    if name in ("pool_grow", "pool_shrink") and not 1 <= found.get("n", 1) <= 1024:
        raise InvalidCommand(f"n of {name} is between 1 and 1024, not {found['n']}")
    if name == "autoscale":
        most, least = found.get("max"), found.get("min")
        if most is None and least is None:
            raise InvalidCommand("autoscale needs max, min or both; it is written: autoscale [max [min]]")
        if any(each is not None and not 1 <= each <= 1024 for each in (most, least)):
            raise InvalidCommand("max and min of autoscale are between 1 and 1024")
        if most is not None and least is not None and least > most:
            raise InvalidCommand(f"min of autoscale is not above max: {least} is more than {most}")
    if name == "time_limit":
        soft, hard = found.get("soft"), found.get("hard")
        if any(each is not None and not 0 < each < LONGEST for each in (soft, hard)):
            raise InvalidCommand(f"a time limit must be more than 0 seconds and less than {LONGEST:g}")
        if soft is not None and hard is not None and soft >= hard:
            raise InvalidCommand(
                "the soft time limit must be below the hard one, at which the child is killed"
            )
    if name in ("add_consumer", "cancel_consumer") and not 1 <= len(found["queue"]) <= 255:
        raise InvalidCommand("the name of a queue has between 1 and 255 letters")
