"""Every exception a user can meet.

QueueError (also PyQueueError)
├── LeaseLost, InvalidJob, DuplicateJob, FileRefused, DiskFull,
│   DatabaseBusy, DatabaseIOError, DatabaseCorrupt    raised by the core
├── ImproperlyConfigured    the app can't be found or has no file
│   ├── InvalidSchedule     no schedule can be had so
│   ├── InvalidFilter       no jobs can be told apart so
│   └── InvalidCommand      no worker can be told so
├── NoSuchWorker            a command is for nobody who is there
├── CannotJoin              nothing can be enqueued through this connection
├── TransactionError        misuse of ``transaction()``
├── NotRegistered           the task is unknown here
├── EncodeError             a value can't be written as JSON
├── DecodeError             a message can't be read
├── ProducerFenced          another process has opened the producer since
├── OutOfSequence           a producer's message came before the one it follows
├── AlreadySettled          a half message was settled the other way before
├── CorruptPayload          stored arguments or a stored result were damaged
├── UnknownJob              the file knows no such id
├── TimeoutError            the wait is over, the job is not
├── TaskFailed              the task raised; its exception class is not loaded here
├── TaskRevokedError        the job was cancelled or has expired
├── WorkerLostError         the job took its worker down too often
├── MaxRetriesExceededError no retry is left
├── SoftTimeLimitExceeded   raised inside a task at its soft time limit
├── TimeLimitExceeded       the child was killed at the hard time limit
├── Retry                   control flow: raised by ``self.retry()``
├── ChordError              a member of a chord's header has failed, so its body did not run
├── IncompleteStream        ``iterdeps`` has come to a job that has not ended
├── Ignore                  control flow: the job ends without a result
│   └── Replaced            control flow: raised by ``self.replace()``
└── Reject                  control flow: the job is given back, or has failed
Terminated                  a BaseException: raised inside a task whose job is to end
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from pyqueue._core import (
    DatabaseBusy as DatabaseBusy,
)
from pyqueue._core import (
    DatabaseCorrupt as DatabaseCorrupt,
)
from pyqueue._core import (
    DatabaseIOError as DatabaseIOError,
)
from pyqueue._core import (
    DiskFull as DiskFull,
)
from pyqueue._core import (
    DuplicateJob as DuplicateJob,
)
from pyqueue._core import (
    FileRefused as FileRefused,
)
from pyqueue._core import (
    InvalidJob as InvalidJob,
)
from pyqueue._core import (
    LeaseLost as LeaseLost,
)
from pyqueue._core import (
    OutOfSequence as OutOfSequence,
)
from pyqueue._core import (
    ProducerFenced as ProducerFenced,
)
from pyqueue._core import (
    QueueError as QueueError,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from pyqueue.signature import Signature

PyQueueError = QueueError


class ImproperlyConfigured(QueueError):
    """The app can't be found, or lacks what it needs; the message says what to do."""


class InvalidSchedule(ImproperlyConfigured, ValueError):
    """No schedule can be had so; the message says what is wrong with it."""


class InvalidFilter(ImproperlyConfigured, ValueError):
    """Jobs can't be told apart so: an unknown field, a wrong comparison, a value that is none."""


class InvalidCommand(ImproperlyConfigured, ValueError):
    """There is no such command, or it can't be given so; the message says what is wrong. Nothing was stored."""


class NoSuchWorker(QueueError, LookupError):
    """A command is for a worker that is not there; the message says who is. Nothing was stored."""


class NoAnswer(UserWarning):
    """Some of the workers that a command is for have not answered in time."""


class CannotJoin(QueueError):
    """Nothing can be enqueued through this connection; the message says why and what to do. Nothing was."""


class TransactionError(QueueError):
    """``transaction()`` can't be had here, or something in it that would end it; the message says what to do."""


class NotRegistered(QueueError, KeyError):
    """No task of this name is registered here."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "no task of this name is registered here"


class EncodeError(QueueError, TypeError):
    """A value can't be written as JSON; the message names its type."""


class DecodeError(QueueError, ValueError):
    """A message can't be read: damaged, of an unknown version, too large or too deep."""


class CorruptPayload(QueueError):
    """Stored arguments or a stored result don't match their checksum; the job was not run, the result not read."""


class AlreadySettled(QueueError):
    """A half message was rolled back before its sender committed it, or the other way round."""


class UnknownJob(QueueError, LookupError):
    """The file holds no job of this id: never made, rolled back, pruned, or of another file."""


class TimeoutError(QueueError, builtins.TimeoutError):
    """The job had not ended when the time was over; it goes on."""


class TaskFailed(QueueError):
    """The task raised an exception whose class is not loaded in this process.

    ``type`` is the class as ``module.QualName``, ``message`` its text, ``traceback`` the worker's text of it.
    """

    def __init__(self, type: str, message: str, traceback: str | None = None) -> None:
        super().__init__(type, message, traceback)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        text = f"{self.type}: {self.message}" if self.message else self.type
        return f"{text}\n\n{self.traceback.rstrip()}" if self.traceback else text


class TaskRevokedError(QueueError):
    """The job was cancelled, or expired before it could start; it has no result."""


class ChordError(QueueError):
    """A job that this one waited for has failed; the message says which and why. This one did not run."""


class IncompleteStream(QueueError):
    """What a job makes is not known before it has ended."""


class WorkerLostError(QueueError):
    """The process running the job died under it, too often for another attempt."""


class MaxRetriesExceededError(QueueError):
    """The task asked for a retry, and none is left."""


class SoftTimeLimitExceeded(QueueError):
    """The task has run for its soft time limit; catch it to clean up."""


class TimeLimitExceeded(QueueError):
    """The child was killed because the task ran for its hard time limit."""


class MemoryLimitExceeded(QueueError):
    """The child was killed because the task made it grow beyond the worker's ``memory_limit``."""


class Terminated(BaseException):
    """Raised in a task whose job was revoked with ``terminate=True``, or paused with ``running=True``. No Exception, so that ``except Exception`` does
    not hold it up; ``finally`` cleans up."""


class Retry(QueueError):
    """Raised by ``self.retry()`` to end the attempt; the job runs again at or after ``when``.

    ``when`` is seconds or a timedelta from now, or a datetime. ``sig`` is the call with its new arguments, if it
    has others than before; ``queue`` another queue than before.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        when: float | timedelta | datetime | None = None,
        sig: Signature[Any] | None = None,
        queue: str | None = None,
    ) -> None:
        super().__init__(message, exc, when)
        self.message = message
        self.exc = exc
        self.when = 0.0 if when is None else when
        self.sig = sig
        self.queue = queue

    def __str__(self) -> str:
        text = self.message or f"retry in {self.when} s"
        return f"{text}: {self.exc!r}" if self.exc is not None else text


class Ignore(QueueError):
    """Raised in a task to end it without a result: a success whose result is None, with no hook of the task run."""


class Replaced(Ignore):
    """Raised by ``self.replace()`` to end the attempt: the job goes on as ``sig``."""

    def __init__(self, sig: Signature[Any]) -> None:
        super().__init__()
        self.sig = sig

    def __str__(self) -> str:
        return f"replaced by {self.sig!r}"


class Reject(QueueError):
    """Raised in a task to refuse the job.

    With ``requeue`` it is given back, to run again at once and without using up a retry; else it has failed.
    """

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        super().__init__(reason, requeue)
        self.reason = reason
        self.requeue = requeue

    def __str__(self) -> str:
        return f"rejected{' and given back' if self.requeue else ''}: {self.reason}"
