"""How jobs that run are ended: ``--signal`` and ``--grace``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pyqueue.cli.numbers import length
from pyqueue.states import signal_number

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_means(parser: ArgumentParser, flag: str) -> None:
    """Adds the options, which count with another."""
    parser.add_argument(
        "--signal",
        type=named_signal,
        default=15,
        metavar="NAME",
        help=f"with {flag}: KILL kills at once (default: TERM)",
    )
    parser.add_argument(
        "--grace",
        type=length,
        default=5.0,
        metavar="SECONDS",
        help=f"with {flag}: between two steps (default: 5)",
    )


def means_of(arguments: Namespace) -> tuple[int, int]:
    """The signal, and the time between two steps (µs)."""
    return arguments.signal, round(arguments.grace * 1e6)


def named_signal(text: str) -> int:
    """A signal by its name or number."""
    try:
        return signal_number(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
