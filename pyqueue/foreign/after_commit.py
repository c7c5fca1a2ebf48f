"""Calling something once a transaction has been committed: Django's ``on_commit``, SQLAlchemy's ``after_commit``."""

# ruff: noqa: PLC0415  each library waits for its first use

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from pyqueue.exceptions import CannotJoin

Register = Callable[[Callable[[], object]], None]


def registrar(where: Any) -> Register:
    """What registers a call for after the commit of ``where``: an alias or connection of Django's, or a Session.

    Raises CannotJoin for what doesn't tell when it has been committed.
    """
    homes = {cls.__module__.partition(".")[0] for cls in type(where).__mro__}
    if isinstance(where, str) or ("django" in homes and hasattr(where, "alias")):
        return _of_django(where if isinstance(where, str) else where.alias)
    if "sqlalchemy" in homes:
        from pyqueue.foreign.session_calls import after_commit, session_of

        return partial(after_commit, session_of(where))
    name = f"{type(where).__module__}.{type(where).__qualname__}"
    raise CannotJoin(
        f"{name} does not say when it has been committed; call delay() after the commit, or use using()"
    )


def _of_django(alias: str) -> Register:
    if "django" not in sys.modules:
        raise CannotJoin("Django is not loaded here; delay_on_commit() is for its transactions")
    from django.db import transaction

    return partial(transaction.on_commit, using=alias)
