"""``pyqueue resume``: lets the jobs of a paused task or queue start again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import existing
from pyqueue.cli.parser import add_command
from pyqueue.cli.pause import add_scope, say

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "resume",
        "Lets the jobs of a paused task or queue start again.",
        ("pyqueue resume --queue mail", "pyqueue resume --task app.add"),
    )
    add_scope(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    store.resume(task=arguments.task, queue=arguments.queue)
    say(arguments, store.path, False)
    return 0
