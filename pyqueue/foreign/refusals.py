"""What an error of a connection's library means for who sends through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyqueue.exceptions import CannotJoin, DatabaseBusy, DiskFull, QueueError

if TYPE_CHECKING:
    from pyqueue.foreign.host import Host

_ERROR: Final = 1
_BUSY: Final = 5
_READONLY: Final = 8
_FULL: Final = 13
_MISUSE: Final = 21


def explained(error: Exception, host: Host, path: str, in_transaction: bool) -> QueueError | None:
    """The error in our words; None where the library's own say it all.

    ``in_transaction``: whether one was open before. Whoever waits for the write lock with a transaction that has read
    is told so at once by SQLite, as its view of the file may be outdated.
    """
    code = host.code_of(error)
    if code is None:
        return None
    if code & 0xFF == _BUSY and in_transaction:
        return CannotJoin(
            f"the open transaction began without the write lock, and another connection has written since or writes "
            f"now: nothing was stored; roll back, and begin it with BEGIN IMMEDIATE ({host.client}: {host.immediate})"
        )
    if code & 0xFF == _BUSY:
        return DatabaseBusy(
            f"{path} is being written by another connection, for longer than this one waits: nothing was stored; try again, "
            f"or give the connection a longer time-out"
        )
    return _of_file(error, code & 0xFF, path)


def _of_file(error: Exception, code: int, path: str) -> QueueError | None:
    if code == _READONLY:
        return CannotJoin(f"this connection may only read {path}: nothing was stored; use one that may write")
    if code == _FULL:
        return DiskFull(f"no room for a job in {path}: {error}")
    if code == _MISUSE:
        return CannotJoin(f"nothing can be stored through this connection: {error}")
    if code == _ERROR and "no such table" in str(error):
        return CannotJoin(
            f"{path} holds no queue yet: nothing was stored; the first worker on it makes one, "
            f"or app.store.queues() outside of any transaction"
        )
    if code == _ERROR and "no column named" in str(error):
        return CannotJoin(
            f"the queue in {path} is of an older version: nothing was stored; start a worker of this version on it first"
        )
    return None
