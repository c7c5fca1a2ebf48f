"""Every exception a user can meet.

QueueError (also PyQueueError)
├── LeaseLost, InvalidJob, FileRefused, DiskFull,
│   DatabaseBusy, DatabaseIOError, DatabaseCorrupt    raised by the core
├── ImproperlyConfigured    the app can't be found or has no file
├── NotRegistered           the task is unknown here
├── EncodeError             a value can't be written as JSON
├── DecodeError             a message can't be read
├── UnknownJob              the file knows no such id
├── TimeoutError            the wait is over, the job is not
├── TaskFailed              the task raised; its exception class is not loaded here
├── TaskRevokedError        the job was cancelled or has expired
├── WorkerLostError         the job took its worker down too often
├── MaxRetriesExceededError no retry is left
├── SoftTimeLimitExceeded   raised inside a task at its soft time limit
├── TimeLimitExceeded       the child was killed at the hard time limit
└── Retry                   control flow: raised by ``self.retry()``
"""

from __future__ import annotations

import builtins

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
    FileRefused as FileRefused,
)
from pyqueue._core import (
    InvalidJob as InvalidJob,
)
from pyqueue._core import (
    LeaseLost as LeaseLost,
)
from pyqueue._core import (
    QueueError as QueueError,
)

PyQueueError = QueueError


class ImproperlyConfigured(QueueError):
    """The app can't be found, or lacks what it needs; the message says what to do."""


class NotRegistered(QueueError, KeyError):
    """No task of this name is registered here."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "no task of this name is registered here"


class EncodeError(QueueError, TypeError):
    """A value can't be written as JSON; the message names its type."""


class DecodeError(QueueError, ValueError):
    """A message can't be read: damaged, of an unknown version, too large or too deep."""


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


class WorkerLostError(QueueError):
    """The process running the job died under it, too often for another attempt."""


class MaxRetriesExceededError(QueueError):
    """The task asked for a retry, and none is left."""


class SoftTimeLimitExceeded(QueueError):
    """The task has run for its soft time limit; catch it to clean up."""


class TimeLimitExceeded(QueueError):
    """The child was killed because the task ran for its hard time limit."""


class Retry(QueueError):
    """Raised by ``self.retry()`` to end the attempt; the worker runs the job again after ``when`` seconds."""

    def __init__(self, exc: BaseException | None = None, when: float = 0.0) -> None:
        super().__init__(exc, when)
        self.exc = exc
        self.when = when

    def __str__(self) -> str:
        return f"retry in {self.when:g} s" + (f": {self.exc!r}" if self.exc is not None else "")
