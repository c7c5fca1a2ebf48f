"""A job's summary as an object with stable keys, shared by ``list`` and ``show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.progress import as_object
from pyqueue.cli.times import iso

if TYPE_CHECKING:
    from typing import Any, Final

    from pyqueue._core import JobSummary

STATES: Final = (
    "waiting",
    "delayed",
    "parked",
    "prepared",
    "held",
    "running",
    "retrying",
    "success",
    "failed",
    "dead",
    "cancelled",
    "expired",
)


def summary_object(job: JobSummary) -> dict[str, Any]:
    """What a list says of a job."""
    return {
        "id": job.id,
        "task": job.task,
        "queue": job.queue,
        "priority": job.priority,
        "state": job.state,
        "attempts": job.attempts,
        "retries": job.retries,
        "enqueued": iso(job.enqueued_us),
        "run_at": iso(job.run_at_us),
        "finished": iso(job.finished_us),
        "progress": as_object(job),
        "error": None if job.error is None else {"type": job.error, "message": job.message},
    }
