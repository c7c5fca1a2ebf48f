"""What happens in the file, in the order of commits, under Celery's names.

Ends of attempts are read from the history, which has them anyway. What it has not (jobs sent and received, workers) is
written only while somebody follows, or ``enable_events`` was said.
"""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Events
from pyqueue.exceptions import DecodeError
from pyqueue.plain import plain
from pyqueue.redaction import masked, masked_text
from pyqueue.serialization import decode_call, decode_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyqueue._core import Happened, Store

START: Final = "start"
"""The cursor before everything."""
ENDS: Final = (
    "task-started",
    "task-succeeded",
    "task-failed",
    "task-retried",
    "task-revoked",
    "task-rejected",
)
"""Those that the history has."""
ASKED: Final = ("task-sent", "task-received", "worker-online", "worker-offline", "worker-heartbeat")
"""Those that are written only while somebody asks."""
MISSED: Final = "events-missed"
"""Of ours alone: some are not told, since they are not kept or were not written."""

LONGEST: Final = 1024
"""Characters of a result or of arguments, as with Celery."""
_CALL: Final = ("args", "kwargs", "eta", "expires", "root_id", "parent_id")
_LEASE_US: Final = 120_000_000
_RENEWED: Final = 30.0
_SLEEP: Final = 1.0
"""A process may die between its commit and its ring."""


def happening(
    store: Store,
    after: str | None,
    types: Iterable[str] | None,
    follow: bool,
    timeout: float | None = None,
) -> Iterator[dict[str, Any]]:
    """The events behind the cursor ``after``; with ``follow`` those to come too, until none comes for ``timeout`` seconds.

    Without a cursor: all that are kept, or with ``follow`` those that come from this call on. Raises InvalidJob for a
    cursor of another file and for types that don't exist, once it is asked for the first.
    """
    named = [types] if isinstance(types, str) else types
    reader, kinds = Events(store), None if named is None else [*dict.fromkeys(named), MISSED]
    renew = _renewal(store, reader, kinds) if follow else _nothing
    renew()
    at = reader.cursor(follow and after is None) if after in (None, START) else str(after)
    return _told(reader, at, kinds, renew, (inf if timeout is None else timeout) if follow else None)


def _told(
    reader: Events, at: str, kinds: list[str] | None, renew: Callable[[], None], patience: float | None
) -> Iterator[dict[str, Any]]:
    last = time.monotonic()
    while True:
        rung = reader.rung()
        found, at, more = reader.look(at, kinds)
        for each in found:
            renew()
            yield as_dict(each)
        if found:
            last = time.monotonic()
        if not more:
            if patience is None:
                return
            renew()
            if not found:
                left = last + patience - time.monotonic()
                if left <= 0:
                    return
                reader.wait(rung, round(min(left, _SLEEP) * 1e6))


def _nothing() -> None:
    pass


def _renewal(store: Store, reader: Events, kinds: list[str] | None) -> Callable[[], None]:
    """Keeps the wish in force; to be called often."""
    everything = kinds is None or any(kind in ASKED for kind in kinds)
    due = 0.0

    def renew() -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + _RENEWED
            reader.follow(store.now_us() + _LEASE_US, everything)

    return renew


def as_dict(event: Happened) -> dict[str, Any]:
    """An event as Celery has it, and its cursor."""
    told: dict[str, Any] = {
        "type": event.kind,
        "timestamp": event.at_us / 1e6,
        "clock": event.clock,
        "hostname": event.hostname,
        "pid": event.pid,
        "utcoffset": (time.altzone if time.localtime().tm_isdst else time.timezone) / 3600,
        "cursor": event.cursor,
    }
    if event.id is not None:
        told |= {"uuid": event.id, "name": event.task, "queue": event.queue, "priority": event.priority}
        told["retries"] = event.retries
    return told | _MORE.get(event.kind, _no_more)(event)


def _no_more(_: Happened) -> dict[str, Any]:
    return {}


def _called(event: Happened) -> dict[str, Any]:
    """What the call says, arguments as text; nothing once the job has ended."""
    told: dict[str, Any] = dict.fromkeys(_CALL)
    if event.body is None:
        return told
    try:
        call = decode_call(event.body, event.content_type, len(event.body))
    except DecodeError as error:
        return told | {"args": str(error)}
    extras = call.extras
    return {
        "args": _text(tuple(call.args)),
        "kwargs": _text(call.kwargs),
        "eta": extras.eta,
        "expires": extras.expires,
        "root_id": extras.root_id or event.id,
        "parent_id": extras.parent_id,
    }


def _sent(event: Happened) -> dict[str, Any]:
    from pyqueue.moments import eta_of  # noqa: PLC0415  of few

    return _called(event) | ({} if event.eta_us is None else {"eta": eta_of(event.eta_us)})


def _succeeded(event: Happened) -> dict[str, Any]:
    return {"runtime": _seconds(event.runtime_us), "result": _result(event)}


def _result(event: Happened) -> str | None:
    if event.body is None:
        return None
    try:
        return _text(decode_result(event.body, event.content_type))
    except DecodeError as error:
        return str(error)


def _text(value: object) -> str:
    text = plain(repr(masked(value)))
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _failed(event: Happened) -> dict[str, Any]:
    failure = event.failure
    if failure is None:
        return {"exception": None, "traceback": None}
    name = failure.error.rpartition(".")[2]
    traceback = None if failure.traceback is None else masked_text(failure.traceback)
    return {"exception": f"{name}({masked_text(failure.message)!r})", "traceback": traceback}


def _revoked(event: Happened) -> dict[str, Any]:
    return {"terminated": event.worker is not None, "signum": None, "expired": event.outcome == "expired"}


def _rejected(event: Happened) -> dict[str, Any]:
    return {"requeue": True, **_failed(event)}


def _missed(event: Happened) -> dict[str, Any]:
    since = None if event.since_us is None else event.since_us / 1e6
    return {"missed": event.missed, "since": since}


def _beat(event: Happened) -> dict[str, Any]:
    return {"active": event.active}


def _seconds(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / 1e6


_MORE: Final[dict[str, Callable[[Happened], dict[str, Any]]]] = {
    "task-sent": _sent,
    "task-received": _called,
    "task-succeeded": _succeeded,
    "task-failed": _failed,
    "task-retried": _failed,
    "task-revoked": _revoked,
    "task-rejected": _rejected,
    "worker-heartbeat": _beat,
    MISSED: _missed,
}
