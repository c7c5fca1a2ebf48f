"""Which host a connection is, told by where its type is from: nothing is imported that its user has not imported."""

# ruff: noqa: PLC0415  each library waits for its first connection

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from pyqueue.exceptions import CannotJoin
from pyqueue.foreign.host import Host

Maker: TypeAlias = Callable[[Any], Host]

_met: dict[type, Maker] = {}


def host_of(connection: Any) -> Host:
    """The host of a connection. Raises CannotJoin for what is none."""
    if isinstance(connection, Host):
        return connection
    maker = _met.get(type(connection))
    if maker is None:
        maker = _maker_for(connection)
        _met[type(connection)] = maker
    return maker(connection)


def _maker_for(connection: Any) -> Maker:
    kind = type(connection)
    homes = {cls.__module__.partition(".")[0] for cls in kind.__mro__}
    if kind is str and "django" not in sys.modules:
        raise CannotJoin(
            f"{connection!r} is no connection; a string is an alias of Django's DATABASES, and Django is not loaded here"
        )
    if kind is str or ("django" in homes and hasattr(connection, "alias")):
        from pyqueue.foreign.django_host import DjangoHost

        return DjangoHost
    if "sqlalchemy" in homes:
        from pyqueue.foreign.sqlalchemy_host import SqlalchemyHost

        return SqlalchemyHost
    if "apsw" in homes and hasattr(kind, "get_autocommit"):
        from pyqueue.foreign.apsw_host import ApswHost

        return ApswHost
    if "sqlite3" in homes and hasattr(kind, "in_transaction"):
        from pyqueue.foreign.stdlib_host import StdlibHost

        return StdlibHost
    raise CannotJoin(_why_not(f"{kind.__module__}.{kind.__qualname__}", homes))


def _why_not(name: str, homes: set[str]) -> str:
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
