"""Commits by hand inside of a block on the application's own session: refused where its library lets us listen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import TransactionError

if TYPE_CHECKING:
    from pyqueue.foreign.host import Host


@contextmanager
def refusing_ends(host: Host) -> Iterator[None]:
    """Refuses ``commit()`` on a session or connection of SQLAlchemy; Django's ``atomic`` does so by itself.

    For the others the end of the block sees that the transaction is another one.
    """
    orm: Any = sys.modules.get("sqlalchemy.orm")
    owner = getattr(host.raw, "sync_session", None) or getattr(host.raw, "sync_connection", None) or host.raw
    if isinstance(owner, getattr(orm, "scoped_session", ())):
        owner = owner()
    engine: Any = sys.modules.get("sqlalchemy")
    if isinstance(owner, getattr(orm, "Session", ())):
        name, refuse = "before_commit", _refuse_session
    elif isinstance(owner, getattr(engine, "Connection", ())):
        name, refuse = "commit", _refuse
    else:
        yield
        return
    engine.event.listen(owner, name, refuse)
    try:
        yield
    finally:
        engine.event.remove(owner, name, refuse)


def _refuse_session(session: Any) -> None:
    # The end of a savepoint is announced as a commit too.
    if not session.in_nested_transaction():
        _refuse(session)


def _refuse(_owner: Any) -> None:
    raise TransactionError(
        "commit() can't be had inside of transaction(): leaving the block commits, together with the job, and an "
        "exception rolls back; begin_nested() is allowed"
    )
