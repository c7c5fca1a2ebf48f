"""One attempt of one job, from the message to the outcome."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue import request
from pyqueue._core import Outcome
from pyqueue.exceptions import DecodeError, EncodeError, NotRegistered, Retry
from pyqueue.serialization import CONTENT_TYPE, Call, decode_call, encode_result
from pyqueue.worker.failing import failure_of
from pyqueue.worker.retrying import delay_after
from pyqueue.worker.soft_limit import SoftLimit

if TYPE_CHECKING:
    from pyqueue._core import Job
    from pyqueue.app import PyQueue
    from pyqueue.task import Task


_OWN: Final = os.getpid()


def forked() -> bool:
    """Whether this is a copy of the child that a task forked: the job's outcome is not the copy's to tell."""
    return os.getpid() != _OWN


class Run(NamedTuple):
    """A job, with all that is needed to run it."""

    app: PyQueue
    job: Job
    task: Task[Any, Any]
    call: Call
    hostname: str | None


def run_job(app: PyQueue, job: Job, hostname: str | None = None) -> Outcome:
    """Runs one attempt in this thread and says how it ended; whatever the task raises is an outcome."""
    try:
        run = _opened(app, job, hostname)
    except (DecodeError, NotRegistered) as error:
        return Outcome.failure(failure_of(error))
    try:
        value = _called(run)
    except BaseException as error:
        if forked():
            raise
        return _after(run, error)
    return _returned(run, value)


def _opened(app: PyQueue, job: Job, hostname: str | None) -> Run:
    call = decode_call(job.body, job.content_type, app.max_body)
    return Run(app, job, app.tasks[job.task], call, hostname)


def _called(run: Run) -> Any:
    with request.running(run.task, _context(run)), SoftLimit(run.job.soft_time_limit_us):
        if run.call.mapped:
            return [run.task(*args, **run.call.kwargs) for args in run.call.args]
        return run.task(*run.call.args, **run.call.kwargs)


def _context(run: Run) -> request.Context:
    job = run.job
    return request.Context(
        id=job.id,
        task=job.task,
        args=run.call.args,
        kwargs=run.call.kwargs,
        retries=job.retries,
        attempt=job.attempt,
        queue=job.queue,
        priority=job.priority,
        hostname=run.hostname,
        timelimit=(_seconds(job.time_limit_us), _seconds(job.soft_time_limit_us)),
        called_directly=False,
    )


def _returned(run: Run, value: Any) -> Outcome:
    if run.call.ignore_result:
        return Outcome.success()
    try:
        body = encode_result(value, f"the result of {run.task.name}", run.app.max_body)
    except EncodeError as error:
        return Outcome.failure(failure_of(error))
    return Outcome.success(body, CONTENT_TYPE)


def _after(run: Run, error: BaseException) -> Outcome:
    delay = delay_after(error, run.task.options, run.job.retries)
    failure = failure_of(error.exc or error if isinstance(error, Retry) else error)
    return Outcome.failure(failure) if delay is None else Outcome.retry(round(delay * 1e6), failure)


def _seconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / 1e6
