"""All answers of the file about one job, decoded as far as they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pyqueue.cli.ending import error_object
from pyqueue.cli.summary import summary_object
from pyqueue.cli.times import iso
from pyqueue.exceptions import DecodeError, UnknownJob
from pyqueue.redaction import masked
from pyqueue.serialization import Call, decode_call, decode_result
from pyqueue.why import why as why_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyqueue._core import Attempt, JobSummary, JobView, Store


class Value(NamedTuple):
    """Something decoded, or why it could not be."""

    value: Any = None
    known: bool = False
    problem: str | None = None

    def text(self) -> str:
        """For people."""
        if self.problem is not None:
            return f"can't be read: {self.problem}"
        if not self.known:
            return "not kept"
        if isinstance(self.value, Call):
            return _call_text(self.value)
        return repr(self.value)


class Asked(NamedTuple):
    """A job. ``summary`` is None for one that plain SQL has enqueued and a full disk keeps from being a job."""

    id: str
    view: JobView
    why: str
    summary: JobSummary | None
    attempts: list[Attempt]
    call: Value
    result: Value
    progress: Value

    @property
    def about(self) -> str | None:
        """The half message that a question is about."""
        call = self.call.value
        return call.extras.check_back if call is not None else None

    def as_object(self, *, traceback: bool) -> dict[str, Any]:
        """With stable keys; what is not known is null."""
        call, progress = self.call.value, self.progress.value
        told = dict.fromkeys(("task", "queue", "priority", "attempts", "enqueued", "run_at", "finished")) | (
            {} if self.summary is None else summary_object(self.summary)
        )
        return told | {
            "id": self.id,
            "state": self.view.state,
            "why": self.why,
            "retries": self.view.retries,
            "args": None if call is None else masked(call.args),
            "kwargs": None if call is None else masked(call.kwargs),
            "mapped": None if call is None else call.mapped,
            "check_back": self.about,
            "progress": None if progress is None else {"state": progress[0], "meta": progress[1]},
            "result": self.result.value,
            "error": error_object(self.view.failure, traceback),
            "history": [_attempt_object(each, traceback) for each in self.attempts],
            "problems": [
                each.problem for each in (self.call, self.result, self.progress) if each.problem is not None
            ],
        }


def ask(store: Store, id: str) -> Asked:
    """Raises UnknownJob."""
    view, summary, why = store.view(id), store.show(id), why_of(store, id)
    if view.state == "unknown":
        raise UnknownJob(f"{store.path} holds no job {id}; it may have ended long ago")
    call = Value()
    if summary is not None and summary.body is not None:
        call = _decoded(_call, summary.body, summary.content_type)
    result = Value()
    if view.state == "success" and view.body is not None:
        result = _decoded(decode_result, view.body, view.content_type)
    return Asked(id, view, why, summary, store.attempts(id), call, result, _progress(view))


def _call(body: bytes, content_type: str | None) -> Call:
    # Stored already, so within the limit of the app that stored it.
    return decode_call(body, content_type, len(body))


def _decoded(decode: Callable[[bytes, str | None], Any], body: bytes, content_type: str | None) -> Value:
    try:
        return Value(decode(body, content_type), True)
    except DecodeError as error:
        return Value(problem=str(error))


def _progress(view: JobView) -> Value:
    if view.progress is None:
        return Value()
    state, body = view.progress
    meta = _decoded(decode_result, body, None)
    return Value((state, meta.value), True, meta.problem)


def _call_text(call: Call) -> str:
    kwargs = masked(call.kwargs)
    parts = [*map(repr, masked(call.args)), *(f"{name}={value!r}" for name, value in kwargs.items())]
    many = f"{len(call.args):,} calls in one: " if call.mapped else ""
    return f"{many}({', '.join(parts)})"


def _attempt_object(attempt: Attempt, traceback: bool) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "started": iso(attempt.started_us),
        "finished": iso(attempt.finished_us),
        "worker": attempt.worker,
        "cpu": None if attempt.cpu_us is None else attempt.cpu_us / 1e6,
        "memory": attempt.memory,
        "error": error_object(attempt.failure, traceback),
    }
