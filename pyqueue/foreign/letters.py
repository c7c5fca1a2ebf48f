"""Jobs sent by a foreign connection: rows of the inbox, written in its transaction.

What is promised rests on this: the rows go where that connection's own rows go. So whatever says that they would not
is an error, and nothing here ever sends by another way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from pyqueue._core import ID_KEPT, INBOX_INSERT, INBOX_INSERT_PLAIN, KEY_HOLDER
from pyqueue.exceptions import CannotJoin, DuplicateJob
from pyqueue.foreign.host import as_text
from pyqueue.foreign.refusals import explained

if TYPE_CHECKING:
    from pyqueue._core import NewJob, Store
    from pyqueue.foreign.host import Host, Value

Earlier: TypeAlias = "Sequence[tuple[str, bool]]"
"""What the same call has made before."""

# In the order of INBOX_INSERT.
_ID, _QUEUE, _KEY = 0, 3, 7
_BETWEEN: Final = slice(3, 14)
_PLAIN: Final = ("default", 0, None, None, None, "return", None, 5, None, None, None)
"""The defaults of the table, which ``INBOX_INSERT_PLAIN`` leaves to it."""

_CONSTRAINT_UNIQUE: Final = 2067
_CONSTRAINT_TRIGGER: Final = 1811


def send(store: Store, host: Host, jobs: Sequence[NewJob]) -> list[tuple[str, bool]]:
    """Writes jobs through ``host``, all or none; one (id, created) per job, as ``Store.enqueue``.

    Raises CannotJoin where the connection can't write to the queue's file, DuplicateJob, DatabaseBusy, DiskFull, and
    what else the connection's library raises.
    """
    in_transaction = True
    try:
        refuse_other_file(store.path, host)
        in_transaction = host.in_transaction()
        return _sent(store, host, [store.letter(job) for job in jobs])
    except Exception as error:
        reason = explained(error, host, store.path, in_transaction)
        if reason is None:
            raise
        raise reason from error


def refuse_other_file(path: str, host: Host) -> None:
    """Raises CannotJoin unless the connection's own file, "main", is the one at ``path``."""
    file = host.file()
    if file == path:
        return
    if file is None:
        raise CannotJoin(
            f"this connection's database is in memory, where no worker could see the job; the queue is {path}"
        )
    if _same(file, path):
        return
    for name, other in host.files().items():
        if _same(other, path):
            raise CannotJoin(
                f"the queue {path} is only attached to this connection, as {name!r}, and in WAL mode a commit is not "
                f"atomic over several files; connect to the queue's file itself, or keep your tables in it"
            )
    raise CannotJoin(
        f"this connection is to {file}, and the queue is {path}: no commit covers both; "
        f"keep the queue in your application's file with PyQueue({file!r}, embed=True)"
    )


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _sent(store: Store, host: Host, letters: Sequence[Sequence[Value]]) -> list[tuple[str, bool]]:
    if len(letters) == 1 and letters[0][_ID] is None and letters[0][_KEY] is None:
        # One statement is all or none by itself, and its answer is known.
        id = _new_id()
        _, task, body, *_, content_type = letter = letters[0]
        if letter[_BETWEEN] == _PLAIN:
            host.execute(INBOX_INSERT_PLAIN, (id, task, body, content_type))
        else:
            host.execute(INBOX_INSERT, (id, *letter[1:]))
        return [(id, True)]
    made: list[tuple[str, bool]] = []
    with _together(host):
        for letter in letters:
            made.append(_one(store, host, letter, made))
    return made


@contextmanager
def _together(host: Host) -> Iterator[None]:
    """All or none of what is written, and nobody writes in between; leaves the transaction as open as an INSERT does."""
    host.join()
    host.execute("SAVEPOINT pyqueue_send")
    try:
        yield
    except BaseException:
        # An error of the disk has rolled everything back already.
        if host.in_transaction():
            host.execute("ROLLBACK TO pyqueue_send")
            host.execute("RELEASE pyqueue_send")
        raise
    host.execute("RELEASE pyqueue_send")


def _one(store: Store, host: Host, letter: Sequence[Value], earlier: Earlier) -> tuple[str, bool]:
    own = letter[_ID]
    id = _new_id() if own is None else str(own)
    while True:
        try:
            if host.inserted(INBOX_INSERT, (id, *letter[1:])):
                # Under the write lock nobody can have taken the new row in: a job of this id is an older one.
                return id, own is None or host.execute(ID_KEPT, (id,)) == [(0,)]
            refused = False
        except Exception as error:
            code = host.code_of(error)
            if code == _CONSTRAINT_UNIQUE:
                return id, False
            if code != _CONSTRAINT_TRIGGER:
                raise
            refused = True
        holder = _holder(store, host, letter)
        if holder is not None and refused:
            raise _taken(letter, holder, earlier)
        if holder is not None:
            return holder, False
        # The key's window has ended between the two statements.


def _new_id() -> str:
    """A UUID of version 7: by the time it is made at, so that new rows lie together in the indexes of ids."""
    moment, chance = f"{time.time_ns() // 1_000_000:012x}", os.urandom(9).hex()
    return f"{moment[:8]}-{moment[8:]}-7{chance[:3]}-a{chance[3:6]}-{chance[6:]}"


def _holder(store: Store, host: Host, letter: Sequence[Value]) -> str | None:
    for row, nonce, alias in host.execute(KEY_HOLDER, (letter[_QUEUE], letter[_KEY])):
        return store.public_id(row, nonce) if alias is None else as_text(alias)
    return None


def _taken(letter: Sequence[Value], holder: str, earlier: Earlier) -> DuplicateJob:
    otherwise = 'or enqueue with dedup="return" or "replace"'
    if (holder, True) in earlier:
        return DuplicateJob(
            f"the dedup key {letter[_KEY]!r} stands twice in this call: nothing was stored; "
            f"leave one of the two out, {otherwise}"
        )
    return DuplicateJob(
        f"job {holder} has this dedup key already: nothing was stored; wait for it, cancel it, {otherwise}"
    )
