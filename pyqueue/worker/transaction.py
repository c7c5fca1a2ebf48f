"""``self.transaction()``: the rows of a block, the jobs made in it, the result and the job's end in one commit."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from pyqueue import joining
from pyqueue._core import LEASE_HELD, RECEIPT_INSERT
from pyqueue.attempt import Ended
from pyqueue.exceptions import DiskFull, LeaseLost, TransactionError
from pyqueue.foreign.hosts import host_of
from pyqueue.foreign.letters import refuse_other_file, send
from pyqueue.serialization import CONTENT_TYPE, encode_result
from pyqueue.states import FAILURE, RETRY, SUCCESS
from pyqueue.worker.budget import BUDGETS
from pyqueue.worker.by_hand import refusing_ends
from pyqueue.worker.guarded import FULL_DISK
from pyqueue.worker.here import Here
from pyqueue.worker.own_host import OwnHost, own_host

if TYPE_CHECKING:
    from pyqueue.foreign.host import Host
    from pyqueue.worker.run_job import Run

log: Final = logging.getLogger("pyqueue.task")

_FULL: Final = 13
_MARK: Final = "pyqueue_transaction"
"""A savepoint around the block: it is gone if the user has ended the transaction, whatever has been begun since."""


class Block:
    """One block of a job. A job has one that commits; after one that was rolled back there may be another."""

    def __init__(self, run: Run, connection: Any, budget: float, *, whole: bool = False) -> None:
        _refuse_another(run)
        # A flag is a number to Python; NaN is above nothing.
        if isinstance(budget, bool) or not isinstance(budget, (int, float)) or not budget > 0:
            raise TransactionError(f"budget is a number of seconds above 0, not {budget!r:.80}")
        if run.call.mapped and not whole:
            raise TransactionError(
                f"{run.task.name} runs as one of several calls of one job, and a job has one transaction: "
                f"@app.task(transactional=True) has all of them in one"
            )
        self._run: Final = run
        self._given: Final = connection
        self._budget: Final = budget
        self._host: Host | None = None
        self._begun = False
        self._joining: joining.Joined | None = None
        self._refusing: contextlib.AbstractContextManager[None] | None = None
        self._frame: FrameType | None = None
        self._thread = 0
        self.value: Any = None
        self.body: bytes | None = None
        self.committed = False

    @property
    def is_open(self) -> bool:
        """Whether it was entered and not left."""
        return self._joining is not None

    @property
    def connection(self) -> Any:
        """What the user writes through."""
        assert self._host is not None
        return self._host.raw

    def __enter__(self) -> Any:
        return self._enter(sys._getframe(1))

    async def __aenter__(self) -> Any:
        frame = sys._getframe(1)
        if hasattr(self._given, "run_sync"):
            await self._given.run_sync(lambda _: self._enter(frame))
            return self._given
        return self._enter(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._run.copies.is_copy():
            self._leave(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._run.copies.is_copy():
            return
        if hasattr(self._given, "run_sync"):
            await self._given.run_sync(lambda _: self._leave(error))
        else:
            self._leave(error)

    def _enter(self, frame: FrameType) -> Any:
        run = self._run
        _refuse_another(run)
        run.block = self
        path = run.app.store.path
        if self._given is None:
            host: Host = own_host(path)
        else:
            host = host_of(self._given)
            refuse_other_file(path, host)
            if host.in_transaction():
                raise TransactionError(
                    f"{run.task.name}: a transaction is open on this {host.client} connection already, and it "
                    f"would be committed with the job: end it before  with self.transaction(connection)"
                )
        self._host = host
        self._thread = threading.get_ident()
        try:
            # Before it is: whatever interrupts this, the end of the attempt finds it and rolls back.
            self._begun = True
            host.begin()
            job = run.job
            if not host.execute(LEASE_HELD, (job.row, job.row, job.token))[0][0]:
                raise _lost(run)
            if isinstance(host, OwnHost):
                host.open()
            else:
                host.execute(f"SAVEPOINT {_MARK}")
                self._refusing = refusing_ends(host)
                self._refusing.__enter__()
            self._frame = frame
            BUDGETS.begin(self, self._budget)
        except BaseException:
            self._roll_back()
            raise
        self._joining = joining.Joined(run.app, Here(host, run.task.name))
        return self._joining.__enter__()

    def _leave(self, error: BaseException | None) -> None:
        host, run = self._host, self._run
        assert host is not None
        self._close()
        if error is not None:
            self._roll_back()
            return
        ending = False
        try:
            self._complete(host)
            ending = True
            host.commit()
            self._begun, self.committed = False, True
        except BaseException as trouble:
            if ending and not host.in_transaction() and self._landed():
                # Interrupted by a time limit, or by what listens to the session's commits.
                self._begun, self.committed = False, True
                raise
            self._roll_back()
            if isinstance(trouble, Exception):
                clearer = _clearer(run, host, trouble)
                if clearer is not None:
                    raise clearer from trouble
            raise
        finally:
            if isinstance(host, OwnHost):
                host.shut()

    def _complete(self, host: Host) -> None:
        """All that goes into the commit beside the user's rows."""
        run = self._run
        self._refuse_ended(host)
        if not run.call.ignore_result:
            what = f"the result of {run.task.name}"
            self.body = encode_result(self.value, what, run.app.max_body, run.children)
        then = run.following(run.call.extras.link, self.value)
        if then:
            send(run.app.store, host, then)
        content_type = None if self.body is None else CONTENT_TYPE
        job = run.job
        host.execute(RECEIPT_INSERT, (job.row, job.token, run.started_us, content_type, self.body))

    def _refuse_ended(self, host: Host) -> None:
        """Raises TransactionError if the transaction is not the one that the block has begun."""
        if isinstance(host, OwnHost):
            ended = not host.in_transaction()
        else:
            try:
                ended = not host.in_transaction()
                if not ended:
                    host.execute(f"RELEASE {_MARK}")
            except Exception as error:
                if "no such savepoint" not in str(error):
                    raise
                ended = True
        if ended:
            raise TransactionError(
                f"{self._run.task.name}: the transaction was ended inside of the block, by commit(), rollback() or an "
                f"error that SQLite rolls back for; what was committed there is, and the job is not done. Leaving "
                f"the block commits, an exception rolls back"
            )

    def _landed(self) -> bool:
        """Whether the commit is in the file, by the file's own word."""
        run = self._run
        return any(
            each.number == run.job.attempt and each.outcome == "success"
            for each in run.app.store.attempts(run.job.id)
        )

    def _close(self) -> None:
        """The user's part is over."""
        BUDGETS.end(self)
        self._frame = None
        if self._joining is not None:
            joined, self._joining = self._joining, None
            # Left in another context than it was entered in, as by a generator that is closed late.
            with contextlib.suppress(ValueError):
                joined.__exit__(None, None, None)
        if self._refusing is not None:
            refusing, self._refusing = self._refusing, None
            refusing.__exit__(None, None, None)

    def _roll_back(self) -> None:
        host, begun, self._begun = self._host, self._begun, False
        if host is None or not begun:
            return
        self._close()
        try:
            # Also where SQLite has rolled back by itself: the library may have a transaction of its own to end.
            host.rollback()
        except Exception:
            if host.in_transaction():
                log.exception(
                    "%s[%s]: its transaction can't be rolled back", self._run.job.task, self._run.job.id
                )
        finally:
            if isinstance(host, OwnHost):
                host.shut()

    def settled(self, ended: Ended) -> Ended:
        """How an attempt with this block ended: a job that is committed is a success whatever has followed."""
        run = self._run
        if self.committed:
            if ended.state != SUCCESS:
                asked = "asked for a retry" if ended.state == RETRY else f"ended with {ended.error!r}"
                log.error(
                    "%s[%s] %s after its transaction had committed: the job is done and is not run again",
                    *(run.job.task, run.job.id, asked),
                    exc_info=ended.error,
                )
            elif self.value is None and ended.value is not None:
                log.warning(
                    "%s[%s] returned a value, and its transaction had committed the job without one: give it to "
                    "self.succeed(value) inside of the block",
                    *(run.job.task, run.job.id),
                )
            return Ended(SUCCESS, self.value, self.body)
        if self._begun:
            self._roll_back()
            if ended.state == SUCCESS:
                return Ended(
                    FAILURE,
                    error=TransactionError(
                        f"{run.task.name} returned inside of transaction(), which was entered without 'with' and "
                        f"never left: it was rolled back"
                    ),
                )
        return ended

    def over_budget(self) -> None:
        """Tells who holds the write lock, and where."""
        run = self._run
        log.warning(
            "%s[%s] has been inside of transaction() for %.3g s, now at %s: nobody else can write to the file "
            "meanwhile; do what takes long before or after the block, or give transaction(budget=…)",
            *(run.job.task, run.job.id, self._budget, self._place()),
            extra={"about_job": run.job.id, "about_task": run.job.task},
        )

    def _place(self) -> str:
        code = _code_of(self._run.task.run)
        frame = self._frame
        if frame is not None and frame.f_globals.get("__name__", "").startswith("pyqueue."):
            # The block is around the whole function.
            frame = sys._current_frames().get(self._thread)
            while frame is not None and frame.f_code is not code:
                frame = frame.f_back
        if frame is not None:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"
        source: str = self._run.task.source
        return source


def _code_of(function: Any) -> CodeType | None:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code: CodeType | None = getattr(getattr(function, "__func__", function), "__code__", None)
    return code


def _refuse_another(run: Run) -> None:
    if run.copies.is_copy():
        raise TransactionError(
            f"this process is a forked copy of the one that runs {run.task.name}, and the job is not its own to end"
        )
    block = run.block
    if block is not None and block.committed:
        raise TransactionError(
            f"{run.task.name} has committed its job already: a job has one transaction, so make another job for the rest"
        )
    if block is not None and block.is_open:
        raise TransactionError(
            f"{run.task.name} is inside of transaction() already; for a part that may fail alone use SAVEPOINT"
        )


def _lost(run: Run) -> LeaseLost:
    return LeaseLost(
        f"{run.task.name}[{run.job.id}]: this attempt's lease is over and the job is another's, so nothing was written"
    )


def _clearer(run: Run, host: Host, error: Exception) -> Exception | None:
    if "pyqueue: LeaseLost" in str(error):
        return _lost(run)
    code = host.code_of(error)
    return DiskFull(FULL_DISK) if code is not None and code & 0xFF == _FULL else None
