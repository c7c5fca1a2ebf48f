"""``pyqueue move``: moves jobs to another queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, existing
from pyqueue.cli.parser import add_command
from pyqueue.cli.selection import act, add_where
from pyqueue.plain import plain

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "move",
        "Moves jobs that have not ended to the end of the line of another queue. Their ids stay, those that run are left "
        "alone. Exit code 1: some were left; 69: no job fits.",
        (
            "pyqueue move --where 'task=report.* queue=default' --to slow",
            "pyqueue move --where 'age>1h' --to slow --dry-run",
        ),
    )
    add_where(parser, required=True)
    parser.add_argument("--to", required=True, metavar="QUEUE", help="the queue")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    will = f"moved to queue {plain(arguments.to)}"
    return act(existing(arguments), arguments, "moved", lambda jobs: jobs.move(arguments.to), will)
