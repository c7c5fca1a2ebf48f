"""Whether an error is tried again, and after how long: Celery's rules."""

from __future__ import annotations

import random

from pyqueue.exceptions import Retry
from pyqueue.options import TaskOptions


def delay_after(error: BaseException, options: TaskOptions, retries: int) -> float | None:
    """Seconds until the next attempt; None where there is none. ``retries`` are those already made."""
    if isinstance(error, Retry):
        return error.when
    if isinstance(error, options.dont_autoretry_for) or not isinstance(error, options.autoretry_for):
        return None
    if options.max_retries is not None and retries >= options.max_retries:
        return None
    if not options.retry_backoff:
        return options.default_retry_delay
    first = 1 if options.retry_backoff is True else options.retry_backoff
    return backoff(first, retries, options.retry_backoff_max, options.retry_jitter)


def backoff(first: float, retries: int, longest: float, jitter: bool) -> float:
    """``first`` seconds, doubled with each retry up to ``longest``; with ``jitter`` a draw between 0 and that.

    Whole seconds are drawn as whole seconds, as in Celery.
    """
    # 2**64 seconds is beyond every limit; an unbounded exponent overflows a float at 1,024 retries.
    delay: float = min(longest, first * 2 ** min(retries, 64))
    if jitter:
        delay = random.randint(0, delay) if isinstance(delay, int) else random.uniform(0, delay)
    return max(0.0, delay)
