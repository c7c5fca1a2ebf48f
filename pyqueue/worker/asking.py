"""The question what became of the sender of a half message: a job that calls the task's check-back and settles."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from pyqueue import request
from pyqueue._core import Outcome
from pyqueue.check import Check
from pyqueue.einfo import ExceptionInfo
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.worker.failing import failure_of

if TYPE_CHECKING:
    from pyqueue.worker.run_job import Run

log: Final = logging.getLogger("pyqueue.task")


def asked(run: Run, half: str) -> Outcome:
    """Asks, and settles. What is raised fails the question and settles nothing: it is asked again in any case."""
    name = run.job.task
    mark = request.begin(run)
    try:
        store = run.app.store
        if store.view(half).state != "prepared":
            return Outcome.success()
        answer = _answer(run)
        if answer is Check.UNKNOWN:
            log.info("%s: the check-back does not know yet what becomes of half message %s", name, half)
        elif store.settle(half, answer is Check.COMMIT):
            log.info("%s: half message %s: %s, said the check-back", name, half, answer.name)
        return Outcome.success()
    except BaseException as error:
        told = (type(error), error, ExceptionInfo(error).tb)
        log.error("%s: the check-back of half message %s gave no answer", name, half, exc_info=told)
        return Outcome.failure(failure_of(error))
    finally:
        request.end(mark)


def _answer(run: Run) -> Check:
    if run.task.asked_back is None:
        raise ImproperlyConfigured(
            f"{run.task.name} has no check-back any more; a half message waits for its answer"
        )
    run.function = run.task.asked_back
    answer = run.called()
    if not isinstance(answer, Check):
        raise TypeError(f"a check-back returns pyqueue.Check.COMMIT, ROLLBACK or UNKNOWN, not {answer!r:.80}")
    return answer
