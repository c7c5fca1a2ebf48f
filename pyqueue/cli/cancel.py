"""``pyqueue cancel``: cancels jobs that are not running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "cancel",
        "Cancels jobs that are not running, and says for which it is too late. Exit code 0: all were "
        "cancelled; 1: it was too late for some; 69: some are not in the file.",
        (
            "pyqueue cancel 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue cancel --json $(cat ids.txt)",
        ),
    )
    parser.add_argument("ids", nargs="+", metavar="ID", help="the jobs")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    cancelled, late, unknown = [], [], []
    for id in dict.fromkeys(arguments.ids):
        if store.cancel(id):
            cancelled.append(id)
            continue
        state = store.view(id).state
        if state == "unknown":
            unknown.append(id)
        else:
            late.append({"id": id, "state": state})
    if arguments.json:
        print_json(store.path, {"cancelled": cancelled, "too_late": late, "unknown": unknown})
    else:
        print(f"{len(cancelled)} cancelled")
        for job in late:
            note(f"too late for {job['id']}: {job['state']}")
        for id in unknown:
            note(f"{store.path} holds no job {id}")
    return EXIT_FAILED if late else EXIT_NOTHING if unknown else EXIT_DONE
