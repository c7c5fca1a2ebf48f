"""Options that say which jobs are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.numbers import length_of_time

if TYPE_CHECKING:
    from argparse import ArgumentParser


def add_filters(parser: ArgumentParser) -> None:
    """Adds ``--task``, ``--queue``, ``--error`` and ``--since``."""
    parser.add_argument("--task", metavar="PATTERN", help="only of tasks with such a name; * and ? are any")
    parser.add_argument("--queue", metavar="NAME", help="only of this queue")
    parser.add_argument(
        "--error", metavar="PATTERN", help="only ended with such an error: its class, or 'Class: message'"
    )
    parser.add_argument(
        "--since",
        type=length_of_time,
        metavar="TIME",
        help="only what ended in the last 30, 30s, 5m, 1h or 7d",
    )
