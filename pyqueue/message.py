"""A signature and its options as the row to be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyqueue._core import NewJob
from pyqueue.canvas import Starmap
from pyqueue.moments import after_us, instant_us, length_us
from pyqueue.options import CallOptions
from pyqueue.serialization import Call, encode_call

if TYPE_CHECKING:
    from datetime import timedelta

    from pyqueue.signature import Signature


def new_job(
    signature: Signature[Any], options: CallOptions, now_us: Callable[[], int], max_body: int
) -> NewJob:
    """The job of one call. ``now_us`` is asked only where the call expires after a length of time."""
    call = Call(
        list(signature.args), dict(signature.kwargs), options.ignore_result, isinstance(signature, Starmap)
    )
    body = encode_call(call, f"the call of {signature.task}", max_body)
    if options[:3] == (None, None, None):
        delay = run_at = expires = None
    else:
        delay = None if options.countdown is None else length_us(options.countdown, "a countdown")
        run_at = None if options.eta is None else instant_us(options.eta)
        expires = None if options.expires is None else after_us(options.expires, now_us, "an expiry")
    return NewJob(
        signature.task,
        body,
        queue=options.queue,
        priority=options.priority,
        delay_us=delay,
        run_at_us=run_at,
        expires_us=expires,
        dedup_key=options.dedup_key,
        task_id=options.task_id,
        max_losses=options.max_losses,
        time_limit_us=_limit(options.time_limit),
        soft_time_limit_us=_limit(options.soft_time_limit),
    )


def _limit(length: float | timedelta | None) -> int | None:
    return None if length is None else length_us(length, "a time limit")
