"""One attempt of one job, from the message to the outcome."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyqueue import request, signals
from pyqueue._core import Outcome
from pyqueue.attempt import IGNORED, REJECTED, REPLACED, Ended, attempt, invoke
from pyqueue.callbacks import following
from pyqueue.einfo import ExceptionInfo
from pyqueue.exceptions import DecodeError, NotRegistered, QueueError, Retry, Terminated, TransactionError
from pyqueue.own_tasks import VALUE
from pyqueue.rates import rate
from pyqueue.serialization import CONTENT_TYPE, Call, decode_call, encode_call, encode_result
from pyqueue.states import RETRY, SUCCESS
from pyqueue.worker.asks import BY_THREAD, told
from pyqueue.worker.becoming import Becoming
from pyqueue.worker.copies import EndsCopies
from pyqueue.worker.failing import failure_of
from pyqueue.worker.soft_limit import SoftLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CoroutineType

    from pyqueue._core import Job, NewJob
    from pyqueue.app import PyQueue
    from pyqueue.signature import Signature
    from pyqueue.task import Task
    from pyqueue.worker.lines import Lines
    from pyqueue.worker.transaction import Block

log: Final = logging.getLogger("pyqueue.task")

WHOLE_BUDGET: Final = 1.0
"""Seconds for a task that is one transaction."""


class Run(Becoming):
    """A job, with all that is needed to run it."""

    __slots__ = (
        "copies",
        "function",
        "hostname",
        "lines",
        "started_us",
        "then",
        "unwritten",
    )

    def __init__(
        self, app: PyQueue, job: Job, task: Task[Any, Any], call: Call, hostname: str | None
    ) -> None:
        self.app = app
        self.job = job
        self.task = task
        self.function: Callable[..., Any] = task
        self.call = call
        self.hostname: Final = hostname
        self.children = []
        self.then: Sequence[NewJob] = ()
        self.members = []
        self.block = None
        self.copies: Final = EndsCopies()
        self.started_us: Final = time.time_ns() // 1_000
        self.unwritten: dict[str, Any] | None = None
        """How far it is, as long as that is not written."""
        self.lines: Lines | None = None
        """What it has logged."""
        self._context = None

    def called(self) -> Any:
        """Calls the function."""
        with self.copies:
            limit_us = self.job.soft_time_limit_us
            if limit_us is None and not BY_THREAD:
                return self._invoked(None)
            with SoftLimit(limit_us) as limit:
                if (noted := BY_THREAD.get(threading.get_ident())) is not None:
                    noted.block = limit
                return self._invoked(limit.run)

    def _invoked(self, run: Callable[[CoroutineType[Any, Any, Any]], Any] | None) -> Any:
        # A check-back is no run of the task.
        if not self.task.options.transactional or self.function is not self.task:
            return self._values(run)
        from pyqueue.worker.transaction import Block  # noqa: PLC0415  it loads sqlite3

        self._refuse_in_place()
        with (block := Block(self, None, WHOLE_BUDGET, whole=True)):
            block.value = self._values(run)
        return block.value

    def told(self) -> tuple[bool, bool]:
        """Whether its job was revoked, and whether it should come to its end."""
        return told(self.job)

    def transaction(self, connection: Any, budget: float) -> Block:
        """The block of ``self.transaction()``."""
        from pyqueue.worker.transaction import Block  # noqa: PLC0415  it loads sqlite3

        self._refuse_in_place()
        return Block(self, connection, budget)

    def progress(self, meta: dict[str, Any]) -> None:
        """How far it is, to be shown."""
        from pyqueue.worker.reporter import REPORTER  # noqa: PLC0415  for those who say it

        self.unwritten = meta
        REPORTER.tell(self)

    def report(self) -> bool:
        """Writes it, in another thread than the task's."""
        if self.block is not None and self.block.is_open:
            return False
        # Whoever needs to know that the job is another's now is told so when it ends.
        with suppress(QueueError):
            meta, self.unwritten = self.unwritten, None
            if meta is not None:
                self.app.store.progress(self.job, "PROGRESS", encode_result(meta, "the progress"))
            if self.lines is not None and self.lines.changed:
                if not self.lines.due():
                    return False
                self.app.store.note(self.job, *self.lines.kept())
        return True

    def logged(self, text: str) -> None:
        """Keeps a line with the job."""
        self._lines().add(text)

    def printed(self, text: str) -> None:
        """Keeps a piece of what was printed with the job."""
        self._lines().print(text)

    def _lines(self) -> Lines:
        from pyqueue.worker.reporter import REPORTER  # noqa: PLC0415  for those who log

        if self.lines is None:
            from pyqueue.worker.lines import Lines  # noqa: PLC0415

            self.lines = Lines(self.app.config.log_bytes)
        REPORTER.tell(self)
        return self.lines

    def open_transaction(self) -> Block:
        """The open one."""
        if self.block is None or not self.block.is_open:
            raise TransactionError(
                f"no transaction is open in {self.task.name}: this belongs inside of  with self.transaction()"
            )
        return self.block

    def settled(self, ended: Ended) -> Ended:
        """What the transaction says, if there was one."""
        return ended if self.block is None else self.block.settled(ended)

    def _refuse_in_place(self) -> None:
        if self.app.in_place is not None:
            raise TransactionError(
                f"{self.task.name} runs in place (task_always_eager or testing()), on a temporary file without your "
                f"tables, so there is nothing it could commit together: run it with  with app.worker()"
            )

    def _values(self, run: Callable[[CoroutineType[Any, Any, Any]], Any] | None) -> Any:
        if self.call.mapped:
            return [invoke(self.function, args, self.call.kwargs, run) for args in self.call.args]
        return invoke(self.function, self.call.args, self.call.kwargs, run)

    def keep(self, value: Any) -> bytes | None:
        """The result's body, if it is wanted; ``then`` are the jobs that follow it."""
        if self.block is not None and self.block.committed:
            return self.block.body
        body = None
        if not self.call.ignore_result:
            what = f"the result of {self.task.name}"
            body = encode_result(value, what, self.app.max_body, self.children)
        self.then = self.following(self.call.extras.link, value)
        return body

    def rewrite(self, anew: Signature[Any]) -> bytes:
        """The job's message with other arguments."""
        if self.call.mapped:
            raise ValueError(f"a chunk of calls of {self.task.name} can't be retried with other arguments")
        # What it took of others is among the arguments by now.
        extras = self.call.extras
        extras = extras._replace(takes="nothing") if extras.takes is not None else extras
        call = self.call._replace(args=list(anew.args), kwargs=dict(anew.kwargs), extras=extras)
        return encode_call(call, self.task.name, self.app.max_body)

    def following(self, callbacks: list[dict[str, Any]] | None, first: Any) -> Sequence[NewJob]:
        """The jobs of the callbacks."""
        return [self.app.job_of(each) for each in following(callbacks, first)] if callbacks else ()

    def described(self) -> request.Context:
        """What the task sees as its request."""
        job, extras = self.job, self.call.extras
        return request.Context(
            id=job.id,
            task=job.task,
            args=self.call.args,
            kwargs=self.call.kwargs,
            retries=job.retries,
            attempt=job.attempt,
            queue=job.queue,
            priority=job.priority,
            hostname=self.hostname,
            timelimit=(_seconds(job.time_limit_us), _seconds(job.soft_time_limit_us)),
            is_eager=self.app.in_place is not None,
            called_directly=False,
            root_id=extras.root_id or job.id,
            parent_id=self._parent_id(),
            headers=extras.headers,
            eta=extras.eta,
            expires=extras.expires,
            callbacks=extras.link,
            errbacks=extras.link_error,
            ignore_result=self.call.ignore_result,
            report=partial(_report, self),
            children=self.children,
            group=extras.group,
            waiting=extras.chord,
        )

    def _parent_id(self) -> str | None:
        if self.call.extras.takes is None:
            return self.call.extras.parent_id
        from pyqueue.worker.taking import before  # noqa: PLC0415  for those who are in workflows

        return before(self.app.store, self.job)


def call_of(app: PyQueue, job: Job) -> Call:
    """What a job's message says, with what it takes of the jobs it has waited for. Raises DecodeError."""
    call = decode_call(job.body, job.content_type, app.max_body)
    if call.extras.takes in (None, "nothing"):
        return call
    from pyqueue.worker.taking import taken  # noqa: PLC0415  for those who are in workflows

    return taken(app.store, job, call)


def run_job(app: PyQueue, job: Job, hostname: str | None = None) -> Outcome:
    """Runs one attempt in this thread and says how it ended; whatever the task raises is an outcome."""
    try:
        call = call_of(app, job)
        run = Run(app, job, app.tasks[job.task], call, hostname)
    except (DecodeError, NotRegistered) as error:
        log.error("%s[%s] can't be run: %s", job.task, job.id, error)
        return Outcome.failure(failure_of(error))
    if call.extras.check_back is not None:
        from pyqueue.worker.asking import asked  # noqa: PLC0415  for those who have half messages

        return asked(run, call.extras.check_back)
    if signals.task_received.connected:
        signals.task_received.send(run.task, request=run.context)
    return outcome_of(run, attempt(run, app.middleware))


def outcome_of(run: Run, ended: Ended) -> Outcome:
    """What the supervisor is told of it."""
    outcome = _outcome(run, ended)
    if run.members and ended.state == SUCCESS:
        outcome = outcome.beside(members=run.members)
    if run.unwritten is None and run.lines is None and run.call.extras.result_expires is None:
        return outcome
    from pyqueue.worker.reporter import REPORTER  # noqa: PLC0415  few need it

    REPORTER.end(run)
    keep = run.call.extras.result_expires
    if run.lines is None and keep is None:
        return outcome
    return outcome.beside(
        log=None if run.lines is None else run.lines.ended(),
        keep_us=None if keep is None else round(keep * 1e6),
    )


def _report(run: Run, state: str, meta: Any) -> None:
    if run.block is not None and run.block.is_open:
        raise TransactionError(
            f"update_state() in {run.task.name} can't be had inside of transaction(), which holds the write lock that it "
            f"would wait for: call it before the block"
        )
    run.unwritten = None
    run.app.store.progress(run.job, state, encode_result(meta, f"the meta of {state}", run.app.max_body))


def _outcome(run: Run, ended: Ended) -> Outcome:  # noqa: PLR0911  one for each way to end
    if ended.state == SUCCESS:
        return Outcome.success(ended.kept, None if ended.kept is None else CONTENT_TYPE, run.then)
    if ended.state == IGNORED:
        return Outcome.success()
    if ended.state == REJECTED:
        return Outcome.given_back()
    if ended.state == REPLACED:
        plan, body = ended.kept
        return Outcome.replaced(plan, VALUE, body, CONTENT_TYPE)
    error = ended.reason
    assert error is not None
    if ended.state == RETRY:
        in_place = run.app.in_place is not None
        delay = 0.0 if in_place else ended.delay
        budget = None if in_place else _budget(run.task.options.retry_budget)
        least = "" if budget is None else " at the soonest"
        log.info("%s[%s] is tried again in %.3g s%s: %r", run.job.task, run.job.id, delay, least, error)
        content_type = None if ended.kept is None else CONTENT_TYPE
        queue = ended.error.queue if isinstance(ended.error, Retry) else None
        return Outcome.retry(round(delay * 1e6), failure_of(error), ended.kept, content_type, budget, queue)
    if isinstance(error, Terminated):
        log.info("%s[%s] was asked to end and has ended", run.job.task, run.job.id)
        return Outcome.failure(failure_of(error))
    if isinstance(error, run.task.options.throws):
        log.info("%s[%s] raised %r, as it may", run.job.task, run.job.id, error)
    else:
        told = (type(error), error, ExceptionInfo(error).tb)
        log.error("%s[%s] raised %s", run.job.task, run.job.id, type(error).__name__, exc_info=told)
    return Outcome.failure(failure_of(error), _errbacks(run))


def _budget(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    most, seconds = rate(text)
    return most, seconds * 1_000_000


def _errbacks(run: Run) -> Sequence[NewJob]:
    mark = request.begin(run)
    try:
        return run.following(run.call.extras.link_error, run.job.id)
    except Exception:
        log.exception("%s[%s]: a link_error can't be made", run.job.task, run.job.id)
        return ()
    finally:
        request.end(mark)


def _seconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / 1e6
