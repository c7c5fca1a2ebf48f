"""Which queue file a command is about, and opening it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pyqueue._core import Store
from pyqueue.config import checked, tool_table
from pyqueue.exceptions import ImproperlyConfigured, QueueError
from pyqueue.plain import plain

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Final

USUAL_FILE: Final = "jobs.db"
LARGEST: Final = 1_000_000_000
"""Bytes, and SQLite's own limit of a value."""


class NoFile(QueueError):
    """There is no queue at the path."""


def add_options(parser: ArgumentParser) -> None:
    """Adds ``--db`` and ``--json``."""
    parser.add_argument(
        "--db",
        metavar="FILE",
        help="the queue file (default: $PYQUEUE_DB, [tool.pyqueue] db in pyproject.toml, jobs.db)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object with stable keys")


def existing(arguments: Namespace) -> Store:
    """The store of a file that must be there. Makes no file and no table."""
    path = named(arguments)
    # An empty file is what SQLite takes for a new one, and would fill.
    if not os.path.exists(path) or (os.path.isfile(path) and os.path.getsize(path) == 0):
        raise NoFile(f"there is no queue file {path}; name another with --db FILE")
    # What was stored before may be stored again, whatever the app's own limit.
    return Store(path, max_body=LARGEST)


def whole(arguments: Namespace) -> Store:
    """The same, for a look at jobs one by one: those that other programs have sent are among them without a worker."""
    store = existing(arguments)
    # A full or damaged file is shown as it is.
    with suppress(QueueError):
        store.fold()
    return store


def named(arguments: Namespace) -> str:
    """The path of the queue file. Raises ImproperlyConfigured where none is named."""
    path = arguments.db or os.environ.get("PYQUEUE_DB")
    if not path and (found := tool_table().get("db")) is not None:
        path = checked("db", found, "[tool.pyqueue] db in pyproject.toml")
    if not path and os.path.exists(USUAL_FILE):
        path = USUAL_FILE
    if not path:
        raise ImproperlyConfigured(
            "no queue file is named: use --db FILE, set PYQUEUE_DB, or run this where jobs.db is"
        )
    return os.path.abspath(path)


def named_if_any(arguments: Namespace) -> str | None:
    """The path of the queue file; None where none is named, for commands that have something to say without."""
    try:
        return named(arguments)
    except ImproperlyConfigured:
        return None


def note(text: str) -> None:
    """Says something beside the answer."""
    from pyqueue.redaction import masked_text  # noqa: PLC0415

    print("pyqueue:", plain(masked_text(text), keep="\n\t"), file=sys.stderr)
