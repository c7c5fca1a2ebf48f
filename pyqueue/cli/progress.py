"""How far a running job is, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import DecodeError
from pyqueue.serialization import decode_result

if TYPE_CHECKING:
    from pyqueue._core import JobSummary


def told(state: str, meta: Any) -> str:
    """What ``self.progress`` or ``self.update_state`` said."""
    if state != "PROGRESS" or not isinstance(meta, dict) or not _is_number(meta.get("done")):
        return f"{state} {meta!r}" if meta is not None else state
    done, total, message = meta["done"], meta.get("total"), meta.get("message")
    text = f"{done:,}"
    if total is not None and _is_number(total):
        text += f" of {total:,}"
        if total > 0:
            text += f" ({100 * done / total:.0f} %)"
    return text if message is None else f"{text}: {message}"


def of(job: JobSummary) -> str:
    """The progress of a job in a list; nothing where there is none."""
    said = as_object(job)
    return "" if said is None else told(said["state"], said["meta"])


def as_object(job: JobSummary) -> dict[str, Any] | None:
    """With stable keys; what can't be read is null."""
    if job.progress is None:
        return None
    state, body = job.progress
    try:
        meta = decode_result(body)
    except DecodeError:
        meta = None
    return {"state": state, "meta": meta}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
