"""Whether an error is tried again, and after how long: Celery's rules."""

from __future__ import annotations

from pyqueue.exceptions import Retry
from pyqueue.moments import seconds_until
from pyqueue.options import TaskOptions


def delay_after(error: BaseException, options: TaskOptions, retries: int) -> float | None:
    """Seconds until the next attempt; None where there is none. ``retries`` are those already made."""
    if isinstance(error, Retry):
        return seconds_until(error.when)
    if isinstance(error, options.dont_autoretry_for) or not isinstance(error, options.autoretry_for):
        return None
    limit = options.retry_kwargs.get("max_retries", options.max_retries)
    if limit is not None and retries >= limit:
        return None
    if not options.retry_backoff:
        return seconds_until(options.retry_kwargs.get("countdown", options.default_retry_delay))
    first = 1 if options.retry_backoff is True else options.retry_backoff
    return backoff(first, retries, options.retry_backoff_max, options.retry_jitter)


def backoff(first: float, retries: int, longest: float, jitter: bool) -> float:
    """``first`` seconds, doubled with each retry up to ``longest``; with ``jitter`` a draw between 0 and that.

    Whole seconds are drawn as whole seconds, as in Celery.
    """
    # 2**64 seconds is beyond every limit; an unbounded exponent overflows a float at 1,024 retries.
    delay: float = min(longest, first * 2 ** min(retries, 64))
    if jitter:
        # Here and not above: few programs need it, and all would load it.
        import random  # noqa: PLC0415

        delay = random.randint(0, delay) if isinstance(delay, int) else random.uniform(0, delay)
    return max(0.0, delay)
