"""Which queue file a command is about, and opening it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyqueue._core import Store
from pyqueue.exceptions import ImproperlyConfigured, QueueError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, Final

USUAL_FILE: Final = "jobs.db"


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
    return Store(path)


def named(arguments: Namespace) -> str:
    """The path of the queue file. Raises ImproperlyConfigured where none is named."""
    path = arguments.db or os.environ.get("PYQUEUE_DB") or _of_pyproject()
    if not path and os.path.exists(USUAL_FILE):
        path = USUAL_FILE
    if not path:
        raise ImproperlyConfigured(
            "no queue file is named: use --db FILE, set PYQUEUE_DB, or run this where jobs.db is"
        )
    return os.path.abspath(path)


def _of_pyproject() -> str | None:
    try:
        file = open("pyproject.toml", "rb")  # noqa: SIM115
    except OSError:
        return None
    # Imported here, since most folders have no such file and the parser takes 3 ms to load.
    import tomllib  # noqa: PLC0415

    with file:
        try:
            settings: Any = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"pyproject.toml can't be read: {error}") from None
    for name in ("tool", "pyqueue", "db"):
        settings = settings.get(name) if isinstance(settings, dict) else None
    if settings is not None and not isinstance(settings, str):
        raise ImproperlyConfigured("[tool.pyqueue] db in pyproject.toml must be a string such as 'jobs.db'")
    return settings


def note(text: str) -> None:
    """Says something beside the answer."""
    print(f"pyqueue: {text}", file=sys.stderr)
