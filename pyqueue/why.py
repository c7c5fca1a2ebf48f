"""What a job waits for: what the file says of the job, and what its workers keep it from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue._core import Inspecting
from pyqueue.serving import Serving, serving

if TYPE_CHECKING:
    from pyqueue._core import JobSummary, Store


def why(store: Store, id: str) -> str:
    """In a sentence or two. Of an id that the file does not know it says that."""
    said = store.why(id)
    job = store.show(id)
    if job is None:
        return said
    if job.state == "running":
        return _held(store, id) or said
    if job.state in ("waiting", "retrying") and "in line" in said:
        keeps = _keeps(job, serving(store))
        return said if keeps is None else f"{said} {keeps}"
    return said


def _held(store: Store, id: str) -> str | None:
    held = Inspecting(store).held_of([id])
    if not held:
        return None
    job = held[0]
    worker = next(
        (each for each in serving(store) if any(part.id == job.worker for part in each.parts)), None
    )
    name = f"worker {job.worker}" if worker is None else f"worker {worker.name}"
    if worker is not None and not worker.well:
        return f"It is with {name}, which is {worker.state}" + (f": {worker.why}." if worker.why else ".")
    long = "" if job.started_us is None else f", for {max(0, store.now_us() - job.started_us) / 1e6:.0f} s"
    return {
        "active": f"It runs on {name}, in process {job.pid}{long}"
        + (" and is stopped there." if job.stopped else "."),
        "reserved": f"It is with {name}, which has not begun it.",
        "ending": f"It has ended on {name}, and its outcome is about to be written.",
        "lost": f"Its process on {name} has died; it is about to come back in line.",
    }.get(job.state)


def _keeps(job: JobSummary, workers: list[Serving]) -> str | None:
    """Why no worker takes a job that is in line."""
    if not workers:
        return None
    well = [each for each in workers if each.well]
    if not well:
        each = workers[0]
        return f"No worker is well: {each.name} is {each.state}" + (f", {each.why}." if each.why else ".")
    there = [each for each in well if _serves(each, job.queue)]
    if not there:
        return f"No worker serves the queue {job.queue}."
    from pyqueue.own_tasks import NAMES  # noqa: PLC0415  it needs tasks, and most jobs run

    known = [each for each in there if job.task in each.tasks()]
    # Those of pyqueue itself are not listed; neither are any where they were too many for the file.
    if not known and job.task not in NAMES and all("tasks" in each.facts for each in there):
        return f"No worker of the queue {job.queue} knows the task {job.task}."
    free = [each for each in there if each.busy is None or each.busy < each.slots]
    if not free:
        slots = sum(each.slots for each in there)
        return (
            f"All {slots} slots of its workers are busy."
            if slots > 1
            else "The only slot of its workers is busy."
        )
    return None


def _serves(worker: Serving, queue: str) -> bool:
    queues = worker.facts.get("queues")
    return not isinstance(queues, list) or queue in queues
