"""Which host a connection is, told by where its type is from: nothing is imported that its user has not imported."""

# ruff: noqa: PLC0415  each library waits for its first connection

from __future__ import annotations

import sys
from typing import Any

from pyqueue.exceptions import CannotJoin
from pyqueue.foreign.host import Host


def host_of(connection: Any) -> Host:
    """The host of a connection. Raises CannotJoin for what is none."""
    if isinstance(connection, Host):
        return connection
    if isinstance(connection, str):
        return _of_alias(connection)
    homes = {cls.__module__.partition(".")[0] for cls in type(connection).__mro__}
    if "sqlalchemy" in homes:
        from pyqueue.foreign.sqlalchemy_host import SqlalchemyHost

        return SqlalchemyHost(connection)
    if "django" in homes and hasattr(connection, "alias") and hasattr(connection, "vendor"):
        from pyqueue.foreign.django_host import DjangoHost

        return DjangoHost(connection)
    if "apsw" in homes and hasattr(type(connection), "get_autocommit"):
        from pyqueue.foreign.apsw_host import ApswHost

        return ApswHost(connection)
    if "sqlite3" in homes and hasattr(type(connection), "in_transaction"):
        from pyqueue.foreign.stdlib_host import StdlibHost

        return StdlibHost(connection)
    raise CannotJoin(_why_not(connection, homes))


def _of_alias(alias: str) -> Host:
    if "django" not in sys.modules:
        raise CannotJoin(
            f"{alias!r} is no connection; a string is an alias of Django's DATABASES, and Django is not loaded here"
        )
    from pyqueue.foreign.django_host import DjangoHost

    return DjangoHost(alias)


def _why_not(connection: Any, homes: set[str]) -> str:
    name = f"{type(connection).__module__}.{type(connection).__qualname__}"
    if "aiosqlite" in homes:
        return (
            f"{name} runs its statements in a thread of its own; use SQLAlchemy's AsyncSession, "
            f"or await the INSERT that  pyqueue sql enqueue  shows"
        )
    if "sqlite3" in homes or "apsw" in homes:
        return f"{name} is no connection; pass the connection itself"
    return (
        f"{name} is no connection this library knows: it takes those of sqlite3, apsw, SQLAlchemy and Django; "
        f"for any other client  pyqueue sql enqueue  shows the INSERT"
    )
