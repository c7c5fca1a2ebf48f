"""``pyqueue``: picks the command; an error is one sentence and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import pyqueue._core as core
from pyqueue.cli import config, demo, status, worker
from pyqueue.exceptions import (
    DatabaseBusy,
    DatabaseCorrupt,
    FileRefused,
    ImproperlyConfigured,
    QueueError,
)

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 64
EXIT_BAD_FILE: Final = 65
EXIT_TRY_AGAIN: Final = 75
EXIT_INTERRUPTED: Final = 130

_CODES: Final = (
    (ImproperlyConfigured, EXIT_USAGE),
    (FileRefused, EXIT_BAD_FILE),
    (DatabaseCorrupt, EXIT_BAD_FILE),
    (DatabaseBusy, EXIT_TRY_AGAIN),
    (QueueError, EXIT_FAILED),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except QueueError as error:
        if arguments.verbose:
            raise
        print(f"pyqueue: {error}", file=sys.stderr)
        return next(code for cls, code in _CODES if isinstance(error, cls))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pyqueue", description="A task queue in one SQLite file.")
    parser.add_argument(
        "--version", action="version", version=f"pyqueue {core.__version__} (SQLite {core.sqlite_version})"
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (worker, status, config, demo):
        command.add(commands, shared)
    return parser
