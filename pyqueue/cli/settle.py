"""``pyqueue settle``: says by hand what becomes of a half message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import print_json
from pyqueue.exceptions import UnknownJob

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "settle",
        "Says what becomes of a prepared job whose sender is gone and whose check-back gives no answer: it may "
        "start, or is cancelled. Exit code 1: it is not prepared any more.",
        (
            "pyqueue settle 6f0c9c1e-8f6e-4c7e-9d5b-2f4f9c0d7a11 --commit",
            "pyqueue settle 6f0c9c1e-8f6e-4c7e-9d5b-2f4f9c0d7a11 --rollback --json",
        ),
    )
    parser.add_argument("id", metavar="ID", help="the job")
    verdict = parser.add_mutually_exclusive_group(required=True)
    verdict.add_argument(
        "--commit", action="store_true", help="its sender's work was done: the job may start"
    )
    verdict.add_argument("--rollback", action="store_true", help="it was not: the job is cancelled")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    settled = store.settle(arguments.id, arguments.commit)
    state = store.view(arguments.id).state
    if state == "unknown":
        raise UnknownJob(f"{store.path} holds no job {arguments.id}; it may have ended long ago")
    if arguments.json:
        print_json(store.path, {"id": arguments.id, "settled": settled, "state": state})
    elif settled:
        print("committed" if arguments.commit else "rolled back")
    else:
        note(f"{arguments.id} is not prepared: {state}")
    return EXIT_DONE if settled else EXIT_FAILED
