"""``pyqueue pause``: lets no job of a task or a queue start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, existing
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import plain, print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "pause",
        "Lets no job of a task or a queue start, from the next claim of any worker on; running jobs go on "
        "and new ones are accepted.",
        ("pyqueue pause --queue mail", "pyqueue pause --task app.add"),
    )
    add_scope(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    store.pause(task=arguments.task, queue=arguments.queue)
    say(arguments, store.path, True)
    return 0


def add_scope(parser: ArgumentParser) -> None:
    """Adds ``--task`` and ``--queue``, of which one is needed."""
    scope = parser.add_mutually_exclusive_group(required=True)
    scope.add_argument("--task", type=_name, metavar="NAME", help="every job of this task")
    scope.add_argument("--queue", type=_name, metavar="NAME", help="every job of this queue")
    add_options(parser)


def say(arguments: Namespace, path: str, paused: bool) -> None:
    """What holds now."""
    kind = "task" if arguments.task is not None else "queue"
    name = getattr(arguments, kind)
    if arguments.json:
        print_json(path, {"task": arguments.task, "queue": arguments.queue, "paused": paused})
    else:
        print(f"{kind} {plain(name)} {'is paused' if paused else 'may start again'}")


def _name(text: str) -> str:
    if not 1 <= len(text) <= 255:
        # argparse shows the message of no other ValueError.
        from argparse import ArgumentTypeError  # noqa: PLC0415

        raise ArgumentTypeError("a name has 1 to 255 characters")
    return text
