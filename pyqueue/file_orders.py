"""Commands that are about the file: whoever gives them carries them out, whether a worker runs or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Events, Gates, Selection
from pyqueue.exceptions import CorruptPayload, DecodeError, InvalidCommand
from pyqueue.rates import rate
from pyqueue.result import AsyncResult
from pyqueue.serialization import decode_call
from pyqueue.states import signal_number

if TYPE_CHECKING:
    from pyqueue._core import Store
    from pyqueue.app import PyQueue

AT_ONCE: Final = 1_000_000
"""Jobs that are looked at for their headers."""
FOR_EVER_US: Final = 1 << 62
GRACE_US: Final = 5_000_000
"""Between two steps, as ``AsyncResult.revoke`` has it."""


def revoke(
    app: PyQueue,
    task_id: list[str] | None = None,
    terminate: bool = False,
    signal: str = "SIGTERM",
    task: str | None = None,
) -> dict[str, Any]:
    """Cancels jobs, by id or all of a task; what there is to say of it, as Celery's workers do."""
    number = _signal(signal)
    if task is not None:
        if task_id:
            raise InvalidCommand("say either ids or task=")
        return _revoke_task(app.store, task, number if terminate else None)
    if not task_id:
        raise InvalidCommand("revoke needs ids, or task=NAME")
    found = [
        id
        for id in dict.fromkeys(task_id)
        if AsyncResult[Any](id, app.store).revoke(terminate=terminate, signal=number)
    ]
    if not terminate:
        text = f"tasks {', '.join(found)} flagged as revoked" if found else "tasks unknown, running or ended"
        return {"ok": text}
    return {"ok": f"terminate: {', '.join(found) or 'tasks unknown'}"}


def _revoke_task(store: Store, task: str, signal: int | None) -> dict[str, Any]:
    """Those that run get the signal; without one they run on."""
    store.fold()
    running = None if signal is None else (signal, GRACE_US)
    done, asked, left, _ = Selection(store, [("task", True, task)]).cancel(running)
    more = f", {asked} asked to end" if running else f", {left} run on" if left else ""
    return {"ok": f"{done} jobs of {task} flagged as revoked{more}"}


def terminate(app: PyQueue, task_id: list[str], signal: str = "SIGTERM") -> dict[str, Any]:
    """Cancels jobs, and ends those that run."""
    return revoke(app, task_id, True, signal)


def revoke_by_stamped_headers(
    app: PyQueue, headers: Any, terminate: bool = False, signal: str = "SIGTERM"
) -> dict[str, Any]:
    """Cancels the jobs of which a header has one of the values that are named for it."""
    wanted = _wanted(headers)
    number = _signal(signal)
    done = [
        id
        for id in _having(app.store, wanted)
        if AsyncResult[Any](id, app.store).revoke(terminate=terminate, signal=number)
    ]
    if not done:
        return {
            "ok": f"headers {wanted} were not terminated" if terminate else f"no job has the headers {wanted}"
        }
    return {"ok": f"headers {wanted} revoked", "jobs": done}


def rate_limit(app: PyQueue, task_name: str, rate_limit: str) -> dict[str, Any]:
    """Lets so many jobs of a task begin in a time, over all workers; 0 is any number."""
    if rate_limit.strip() in ("", "0"):
        Gates(app.store).meter(task=task_name, rate_us=None)
        return {"ok": "rate limit disabled successfully"}
    try:
        each_us = rate(rate_limit).each_us if "/" in rate_limit else _each_us(rate_limit)
    except ValueError as error:
        raise InvalidCommand(str(error)) from None
    Gates(app.store).meter(task=task_name, rate_us=each_us)
    return {"ok": "new rate limit set successfully"}


def _each_us(text: str) -> int:
    """A bare number is that of a second, as in Celery."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1e-6 <= number < 1e9:
        raise ValueError(f"a rate is a text such as '10/s', '10/m' or '10/h', or a number, not {text!r:.80}")
    return max(1, round(1e6 / number))


def enable_events(app: PyQueue) -> dict[str, Any]:
    """Lets everything that happens be written, whoever asks."""
    Events(app.store).until(FOR_EVER_US)
    return {"ok": "task events enabled"}


def disable_events(app: PyQueue) -> dict[str, Any]:
    """Lets it be written only while somebody asks."""
    Events(app.store).until(0)
    return {"ok": "task events disabled"}


def _wanted(headers: Any) -> dict[str, list[Any]]:
    if not isinstance(headers, Mapping):
        pairs = [str(each).partition("=") for each in headers]
        wrong = [name for name, equals, _ in pairs if not (name and equals)]
        if wrong:
            raise InvalidCommand(f"a header is written key=value, not {wrong[0]!r:.80}")
        headers = {name: [value for key, _, value in pairs if key == name] for name, _, _ in pairs}
    wanted = {str(name): list(value) if _is_list(value) else [value] for name, value in headers.items()}
    if not wanted:
        raise InvalidCommand("revoke_by_stamped_headers needs at least one header")
    return wanted


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _having(store: Store, wanted: Mapping[str, list[Any]]) -> Iterator[str]:
    store.fold()
    for job in Selection(store, []).list(AT_ONCE):
        shown = store.show(job.id)
        if shown is None or shown.body is None:
            continue
        try:
            headers = decode_call(shown.body, shown.content_type).extras.headers or {}
        except (DecodeError, CorruptPayload):
            continue
        if any(_has(headers.get(name), values) for name, values in wanted.items()):
            yield job.id


def _has(value: Any, values: list[Any]) -> bool:
    return value is not None and any(each in values for each in (value if _is_list(value) else [value]))


def _signal(named: str) -> int:
    try:
        return signal_number(int(named) if named.isdecimal() else named)
    except ValueError as error:
        raise InvalidCommand(str(error)) from None


FILE_ORDERS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "revoke": revoke,
    "terminate": terminate,
    "revoke_by_stamped_headers": revoke_by_stamped_headers,
    "rate_limit": rate_limit,
    "enable_events": enable_events,
    "disable_events": disable_events,
}
