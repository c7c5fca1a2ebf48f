"""``pyqueue result``: what a job returned, or why it did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.ending import code_of_state, object_of, print_ending
from pyqueue.cli.file import add_options, existing
from pyqueue.cli.numbers import seconds
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "result",
        "Shows what a job returned. Exit code 0: it succeeded; 1: it failed or was cancelled; "
        "69: the file holds no such job; 75: it is not finished.",
        (
            "pyqueue result 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue result --wait 10 --traceback 0017f000-0000-8000-8bd5-dacda2b3cac3",
        ),
    )
    parser.add_argument("id", metavar="ID", help="the job")
    parser.add_argument("--wait", type=seconds, metavar="SECONDS", help="wait so long for the job to end")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of the task's error")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    if arguments.wait is None:
        view = store.view(arguments.id)
    else:
        view = store.wait(arguments.id, round(arguments.wait * 1e6))
    if arguments.json:
        print_json(store.path, object_of(arguments.id, view, arguments.traceback))
    else:
        print_ending(store, arguments.id, view, arguments.traceback)
    return code_of_state(view.state)
