"""``pyqueue why``: what a job waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, whole
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import UnknownJob
from pyqueue.why import why as why_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "why",
        "Says in one sentence what a job waits for.",
        ("pyqueue why 0017f000-0000-8000-8bd5-dacda2b3cac3",),
    )
    parser.add_argument("id", metavar="ID", help="the job")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = whole(arguments)
    state, why = store.view(arguments.id).state, why_of(store, arguments.id)
    if state == "unknown":
        raise UnknownJob(f"{store.path} holds no job {arguments.id}; it may have ended long ago")
    if arguments.json:
        print_json(store.path, {"id": arguments.id, "state": state, "why": why})
    else:
        print(plain(why))
    return 0
