"""Calls for after the commit of a SQLAlchemy Session. A savepoint that is rolled back drops those made in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, SessionTransaction, scoped_session

from pyqueue.exceptions import CannotJoin

_PENDING: Final = "pyqueue.after_commit"
"""Where ``Session.info`` has them."""


class Pending(NamedTuple):
    """A call, and the transaction or savepoint it was registered in."""

    transaction: SessionTransaction | None
    call: Callable[[], object]


def session_of(where: Any) -> Session:
    """The Session behind its asynchronous or thread-local coat. Raises CannotJoin for anything else."""
    if isinstance(where, scoped_session | async_scoped_session):
        where = where()
    if isinstance(where, AsyncSession):
        where = where.sync_session
    if isinstance(where, Session):
        return where
    raise CannotJoin(
        f"SQLAlchemy's {type(where).__name__} does not say when it has been committed, a Session does; "
        f"call delay() after the commit"
    )


def after_commit(session: Session, call: Callable[[], object]) -> None:
    """Calls ``call`` once what the session has open is committed, and never if it is rolled back or just closed."""
    if not session.in_transaction():
        session.begin()
    pending = session.info.get(_PENDING)
    if pending is None:
        pending = session.info[_PENDING] = []
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_transaction_end", _ended)
    pending.append(Pending(session.get_nested_transaction() or session.get_transaction(), call))


def _committed(session: Session) -> None:
    pending: list[Pending] = session.info[_PENDING]
    savepoint = session.get_nested_transaction()
    if savepoint is not None:
        # Released: its calls are the outer one's now.
        pending[:] = [
            each._replace(transaction=savepoint.parent) if each.transaction is savepoint else each
            for each in pending
        ]
        return
    calls = [each.call for each in pending]
    pending.clear()
    errors = []
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001  the others were committed as well
            errors.append(error)
    if errors:
        raise errors[0]


def _ended(session: Session, transaction: SessionTransaction) -> None:
    pending: list[Pending] = session.info[_PENDING]
    pending[:] = [each for each in pending if each.transaction is not transaction]
