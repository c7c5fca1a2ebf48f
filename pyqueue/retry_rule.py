"""How errors of one class are tried again: ``@app.task(retry_for={TimeoutError: RetryRule(max_retries=8, backoff=1)})``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from datetime import timedelta

Delay: TypeAlias = "float | timedelta"
Countdown: TypeAlias = "Delay | Sequence[Delay] | Callable[[int, BaseException], Delay]"


class RetryRule(NamedTuple):
    """What is said for a class of errors in place of the task's own options; ``...`` is what the task says."""

    max_retries: int | EllipsisType | None = ...
    """The job fails with this error once it has been retried so often, for whatever reasons; None is without end."""
    countdown: Countdown | EllipsisType = ...
    """Seconds to the next attempt; a list has one for each retry, of which the last stays; a function is called with
    the retries made so far and the error."""
    backoff: bool | float | EllipsisType = ...
    """The first delay of an exponential backoff; True is 1 s."""
    backoff_max: float | EllipsisType = ...
    jitter: bool | EllipsisType = ...


Rules: TypeAlias = Mapping[type[BaseException], "RetryRule | None"]

AS_THE_TASK_SAYS: Final = RetryRule()


def checked(given: Any) -> Rules:
    """``retry_for`` as it may be. Raises TypeError, naming what is wrong."""
    if not isinstance(given, Mapping):
        raise TypeError(f"retry_for is a dict of exception classes and RetryRule(…), not {given!r:.80}")
    for error, rule in given.items():
        if not (isinstance(error, type) and issubclass(error, BaseException)):
            raise TypeError(f"retry_for takes exception classes, not {error!r:.80}")
        if rule is not None and not isinstance(rule, RetryRule):
            raise TypeError(
                f"retry_for[{error.__name__}] is RetryRule(…), or None for no retry, not {rule!r:.80}"
            )
        if rule is not None:
            _refuse(rule, error.__name__)
    return dict(given)


def _refuse(rule: RetryRule, of: str) -> None:
    from pyqueue.misuse import is_length, is_number, is_whole  # noqa: PLC0415  for those who have rules

    def is_countdown(value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return len(value) > 0 and all(map(is_length, value))
        return is_length(value) or callable(value)

    kinds: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "max_retries": (
            "a whole number, or None for no end",
            lambda value: value is None or is_whole(value),
        ),
        "countdown": ("a number of seconds, a list of them or a function", is_countdown),
        "backoff": (
            "true, false or a number of seconds",
            lambda value: isinstance(value, bool) or is_number(value),
        ),
        "backoff_max": ("a number of seconds", is_number),
        "jitter": ("true or false", lambda value: isinstance(value, bool)),
    }
    for name, (kind, fits) in kinds.items():
        value = getattr(rule, name)
        if value is not ... and not fits(value):
            raise TypeError(f"retry_for[{of}]: {name} is {kind}, not {value!r:.80}")
    if rule.countdown is not ... and rule.backoff is not ... and rule.backoff:
        raise TypeError(f"retry_for[{of}]: give countdown or backoff, not both")
