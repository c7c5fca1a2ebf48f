"""``pyqueue priority``: gives jobs another priority."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, existing
from pyqueue.cli.parser import add_command
from pyqueue.cli.selection import act, add_where

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "priority",
        "Moves jobs that have not ended to the end of the line of another priority of their queue; higher runs first. "
        "Those that run are left alone. Exit code 1: some were left; 69: no job fits.",
        (
            "pyqueue priority 50 --where 'task=sms.login'",
            "pyqueue priority -10 --where 'age>1h' --dry-run",
        ),
    )
    parser.add_argument("priority", type=_priority, metavar="N", help="-128 to 127; 0 is usual")
    add_where(parser, required=True)
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    will = f"given priority {arguments.priority}"
    return act(
        existing(arguments), arguments, "changed", lambda jobs: jobs.prioritize(arguments.priority), will
    )


def _priority(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 1_000
    if not -128 <= number <= 127:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from -128 to 127")
    return number
