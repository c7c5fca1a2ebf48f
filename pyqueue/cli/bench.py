"""``pyqueue bench``: what pyqueue does on this machine's own disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "bench",
        "Measures on new queue files, which are deleted again; about three minutes a round. Another program that is "
        "busy meanwhile is in the figures. Ends with 1 if a row could not be measured.",
        (
            "pyqueue bench",
            "pyqueue bench --rows drain-normal,pickup --rounds 5",
            "pyqueue bench --folder /srv/queue --json",
        ),
    )
    parser.add_argument("--folder", default=".", metavar="DIR", help="on which disk (default: here)")
    parser.add_argument(
        "--rows", type=names, metavar="A,B", help="only these rows (default: all but the long ones)"
    )
    parser.add_argument("--rounds", type=positive, default=1, metavar="N", help="how often (default: 1)")
    parser.add_argument("--list", action="store_true", help="list the rows, and measure nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    # Here and not above: it loads tasks, processes and more.
    from pyqueue.cli.measured import list_rows, show  # noqa: PLC0415

    if arguments.list:
        return list_rows(arguments.json)
    return show(arguments.folder, arguments.rows, arguments.rounds, arguments.json)


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
