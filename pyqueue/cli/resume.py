"""``pyqueue resume``: lets paused jobs start again, all or at a rate."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pyqueue._core import Gates
from pyqueue.cli.file import existing, note
from pyqueue.cli.parser import add_command
from pyqueue.cli.scope import add_scope, meant, said, scope, words
from pyqueue.cli.words import print_json
from pyqueue.rates import rate

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "resume",
        "Lets jobs that are paused start again: those that were paused by the same words. With --rate they, and those that "
        "come later, are let out one by one at that rate, over all workers, until they are resumed without one.",
        (
            "pyqueue resume --queue mail",
            "pyqueue resume --task report.build --rate 5/m",
            "pyqueue resume --where 'task=report.* key=c7:*'",
        ),
    )
    add_scope(parser)
    parser.add_argument("--rate", type=_rate, metavar="RATE", help="so many in a time: 5/s, 5/m, 5/h, 5/d")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store, which = existing(arguments), meant(arguments)
    about = scope(which)
    changed = Gates(store).resume(
        **about, rate_us=None if arguments.rate is None else rate(arguments.rate).each_us
    )
    if arguments.json:
        print_json(store.path, {**said(about), "paused": False, "rate": arguments.rate, "changed": changed})
        return 0
    print(f"{words(which)} may start again" + (f", {arguments.rate}" if arguments.rate else ""))
    if not changed:
        paused = [each for each in Gates(store).list() if each.shut]
        others = "" if not paused else "; what is paused is shown by pyqueue status"
        note(f"it was not paused by these words{others}")
    return 0


def _rate(text: str) -> str:
    try:
        rate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
