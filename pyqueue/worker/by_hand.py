"""Commits by hand inside of a block on the application's own connection: refused where its library lets us see them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pyqueue.exceptions import TransactionError

if TYPE_CHECKING:
    from pyqueue.foreign.host import Host

_TRANSACTION: Final = 22
"""SQLite asks its authorizer about BEGIN, COMMIT or ROLLBACK."""


@contextmanager
def refusing_ends(host: Host) -> Iterator[None]:
    """Refuses ``commit()`` on a session or connection of SQLAlchemy, and COMMIT on one of apsw.

    Django's ``atomic`` does so by itself. ``sqlite3`` has no way to give back an authorizer that its user has set: there
    the end of the block sees that the transaction is another one.
    """
    if host.client == "apsw":
        before = host.raw.authorizer
        host.raw.authorizer = _Authorizer(before)
        try:
            yield
        finally:
            host.raw.authorizer = before
        return
    owner, name, refuse = _listened(host.raw)
    if owner is None:
        yield
        return
    event: Any = sys.modules["sqlalchemy.event"]
    event.listen(owner, name, refuse)
    try:
        yield
    finally:
        event.remove(owner, name, refuse)


def _listened(raw: Any) -> tuple[Any, str, Any]:
    """Whose commits can be heard of, by which event, and who listens; None for the first where nobody's can."""
    orm: Any = sys.modules.get("sqlalchemy.orm")
    engine: Any = sys.modules.get("sqlalchemy.engine")
    owner = getattr(raw, "sync_session", None) or getattr(raw, "sync_connection", None) or raw
    if orm is not None and isinstance(owner, orm.scoped_session):
        owner = owner()
    if orm is not None and isinstance(owner, orm.Session):
        return owner, "before_commit", _refuse_session
    if engine is not None and isinstance(owner, engine.Connection):
        return owner, "commit", _refuse
    return None, "", None


class _Authorizer:
    """Asks the user's own first."""

    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(self, action: int, *about: str | None) -> int:
        if action == _TRANSACTION:
            _refuse(None)
        allowed: int = 0 if self._before is None else self._before(action, *about)
        return allowed


def _refuse_session(session: Any) -> None:
    # The end of a savepoint is announced as a commit too.
    if not session.in_nested_transaction():
        _refuse(session)


def _refuse(_owner: Any) -> None:
    raise TransactionError(
        "a commit by hand can't be had inside of transaction(): leaving the block commits, together with the job, and an "
        "exception rolls back; savepoints are allowed"
    )
