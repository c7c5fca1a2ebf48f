"""Whether an error is tried again, and after how long: Celery's rules, rules by class, and what the error asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.exceptions import Retry
from pyqueue.moments import seconds_until
from pyqueue.retry_after import asked_wait
from pyqueue.retry_rule import AS_THE_TASK_SAYS

if TYPE_CHECKING:
    from pyqueue.options import TaskOptions
    from pyqueue.retry_rule import RetryRule

_SPREAD = 0.1
"""Of a wait that was asked for: all who were told the same should not come back in the same moment."""


def delay_after(error: BaseException, options: TaskOptions, retries: int) -> float | None:
    """Seconds until the next attempt; None where there is none. ``retries`` are those already made."""
    if isinstance(error, Retry):
        return seconds_until(error.when)
    rule = _rule(error, options)
    if rule is None:
        return None
    limit = rule.max_retries
    if limit is ...:
        limit = options.retry_kwargs.get("max_retries", options.max_retries)
    if limit is not None and retries >= limit:
        return None
    return _wait(error, rule, options, retries)


def _wait(error: BaseException, rule: RetryRule, options: TaskOptions, retries: int) -> float:
    jitter = options.retry_jitter if rule.jitter is ... else rule.jitter
    asked = asked_wait(error) if options.retry_after_max > 0 else None
    if asked is not None:
        return min(asked + spread(asked * _SPREAD, jitter), options.retry_after_max)
    if rule.countdown is ...:
        first = options.retry_backoff if rule.backoff is ... else rule.backoff
        if first:
            longest = options.retry_backoff_max if rule.backoff_max is ... else rule.backoff_max
            return backoff(1 if first is True else first, retries, longest, jitter)
        return seconds_until(options.retry_kwargs.get("countdown", options.default_retry_delay))
    countdown = rule.countdown
    if isinstance(countdown, (list, tuple)):
        return seconds_until(countdown[min(retries, len(countdown) - 1)])
    return seconds_until(countdown(retries, error) if callable(countdown) else countdown)  # type: ignore[arg-type]


def _rule(error: BaseException, options: TaskOptions) -> RetryRule | None:
    """The rule of the nearest class; None where the error is not tried again."""
    if isinstance(error, options.dont_autoretry_for):
        return None
    if options.retry_for:
        for each in type(error).__mro__:
            if each in options.retry_for:
                return options.retry_for[each]
    return AS_THE_TASK_SAYS if isinstance(error, options.autoretry_for) else None


def backoff(first: float, retries: int, longest: float, jitter: bool) -> float:
    """``first`` seconds, doubled with each retry up to ``longest``; with ``jitter`` a draw between 0 and that.

    Whole seconds are drawn as whole seconds, as in Celery.
    """
    # 2**64 seconds is beyond every limit; an unbounded exponent overflows a float at 1,024 retries.
    delay: float = min(longest, first * 2 ** min(retries, 64))
    return max(0.0, spread(delay, jitter) if jitter else delay)


def spread(most: float, jitter: bool) -> float:
    """With ``jitter`` a draw between 0 and ``most``, else 0."""
    if not jitter:
        return 0.0
    # Here and not above: few programs need it, and all would load it.
    import random  # noqa: PLC0415

    return random.randint(0, most) if isinstance(most, int) else random.uniform(0, most)
