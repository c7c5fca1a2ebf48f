"""A signature and its options as the row to be stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue import request
from pyqueue._core import NewJob
from pyqueue.callbacks import as_dicts, following
from pyqueue.exceptions import EncodeError, InvalidJob, QueueError
from pyqueue.extras import NO_EXTRAS, Extras
from pyqueue.mapped import Starmap
from pyqueue.moments import after_us, instant_us, length_us, shown
from pyqueue.options import CallOptions
from pyqueue.serialization import Call, encode_call, encode_result, encode_usual

if TYPE_CHECKING:
    from datetime import timedelta

    from pyqueue.signature import Signature


class Place(NamedTuple):
    """What a job of a workflow has to know of it."""

    held: bool = False
    """Whether it waits for other jobs."""
    takes: str | None = None
    root_id: str | None = None
    group: str | None = None
    chord: str | None = None


def new_job(  # noqa: PLR0917  all of them are what a job is made of
    signature: Signature[Any],
    options: CallOptions,
    now_us: Callable[[], int],
    max_body: int,
    errback: Callable[[Signature[Any]], NewJob] | None = None,
    place: Place | None = None,
) -> NewJob:
    """The job of one call. ``now_us`` is asked only where the call expires after a length of time.

    ``errback`` makes the job of each ``link_error``, stored for an end that the core itself makes.

    Raises EncodeError or InvalidJob, which name the argument or option that is wrong.
    """
    try:
        return _new_job(signature, options, now_us, max_body, errback, place)
    except EncodeError as error:
        raise _of_argument(signature, max_body) or error from None
    except QueueError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        from pyqueue.misuse import misused  # noqa: PLC0415

        why = misused(options)
        if why is None:
            raise
        raise InvalidJob(f"{signature.task} can't be called so: {why}") from None


def _of_argument(signature: Signature[Any], max_body: int) -> EncodeError | None:
    for name, value in (*enumerate(signature.args, 1), *signature.kwargs.items()):
        try:
            encode_result(value, f"argument {name} of the call of {signature.task}", max_body)
        except EncodeError as error:
            return error
    return None


def _new_job(  # noqa: PLR0917  as above
    signature: Signature[Any],
    options: CallOptions,
    now_us: Callable[[], int],
    max_body: int,
    errback: Callable[[Signature[Any]], NewJob] | None,
    place: Place | None,
) -> NewJob:
    if options[:3] == (None, None, None):
        delay = run_at = expires = None
    else:
        delay = None if options.countdown is None else length_us(options.countdown, "a countdown")
        run_at = None if options.eta is None else instant_us(options.eta)
        expires = None if options.expires is None else after_us(options.expires, now_us, "an expiry")
    call = Call(
        list(signature.args),
        dict(signature.kwargs),
        options.ignore_result,
        isinstance(signature, Starmap),
        _extras(options, run_at if delay is None else now_us() + delay, expires, place),
    )
    body = encode_call(call, signature.task, max_body)
    errbacks = call.extras.link_error if errback is not None else None
    return _row(
        signature.task,
        body,
        options,
        delay_us=delay,
        run_at_us=run_at,
        expires_us=expires,
        errbacks=[errback(each) for each in following(errbacks, options.task_id)] if errback else (),
    )


_NOWHERE: Final = Place()


class Pattern(NamedTuple):
    """What all calls of a task share that say nothing of their own."""

    job: NewJob
    ignore_result: bool


def pattern(task: str, options: CallOptions) -> Pattern | None:
    """The pattern of calls with these options; None where what they say depends on the moment or the call."""
    if options[:3] != (None, None, None) or options.task_id is not None or options.link_error is not None:
        return None
    if options.link is not None or options.headers is not None or options.result_expires is not None:
        return None
    return Pattern(_row(task, b"", options), options.ignore_result)


def usual_job(like: Pattern, signature: Signature[Any], max_body: int, ending: bytes = b"") -> NewJob:
    """The job of a call that says nothing of its own, made outside of any job, by ``ending_of`` its place in a
    workflow. Raises EncodeError."""
    kwargs = dict(signature.kwargs) if signature.kwargs else {}
    try:
        limit = max_body - len(ending)
        body = encode_usual(signature.args, kwargs, like.ignore_result, signature.task, limit)
        return like.job.with_body(body[:-1] + ending if ending else body)
    except EncodeError as error:
        raise _of_argument(signature, max_body) or error from None


def ending_of(place: Place) -> bytes:
    """The end of the messages of jobs in the same place of a workflow."""
    extras = Extras(takes=place.takes, root_id=place.root_id, group=place.group, chord=place.chord).shown()
    return b"," + json.dumps(extras, separators=(",", ":"))[1:].encode() if extras else b"}"


def _row(task: str, body: bytes, options: CallOptions, **moments: Any) -> NewJob:
    return NewJob(
        task,
        body,
        queue=options.queue,
        priority=options.priority,
        dedup_key=options.dedup_key,
        dedup=options.dedup,
        dedup_window_us=None
        if options.dedup_window is None
        else length_us(options.dedup_window, "a dedup_window"),
        task_id=options.task_id,
        max_losses=options.max_losses,
        time_limit_us=_limit(options.time_limit),
        soft_time_limit_us=_limit(options.soft_time_limit),
        **moments,
    )


def _extras(options: CallOptions, due_us: int | None, expires_us: int | None, place: Place | None) -> Extras:
    current = request.current()
    inside = not (current.called_directly or current.is_eager)
    plain = options.headers is None and options.link is None and options.link_error is None
    plain = plain and options.result_expires is None and place is None
    if plain and not inside and due_us is None and expires_us is None:
        return NO_EXTRAS
    held, takes, root_id, group, chord = _NOWHERE if place is None else place
    return Extras(
        _headers(options.headers),
        as_dicts(options.link),
        as_dicts(options.link_error),
        current.root_id if inside else root_id,
        current.id if inside and not held else None,
        # Of what waits for others it is not known.
        None if due_us is None or held else shown(due_us),
        None if expires_us is None else shown(expires_us),
        result_expires=None
        if options.result_expires is None
        else length_us(options.result_expires, "a result_expires") / 1e6,
        takes=takes,
        group=group,
        chord=chord,
    )


def _headers(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"headers are a dictionary, not {given!r:.80}")
    return dict(given)


def _limit(length: float | timedelta | None) -> int | None:
    return None if length is None else length_us(length, "a time limit")
