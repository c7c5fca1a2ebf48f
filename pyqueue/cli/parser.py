"""The parser of one command, or of all."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_USAGE
from pyqueue.cli.commands import COMMANDS, load
from pyqueue.plain import plain

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction
    from typing import Final, NoReturn


EXAMPLES: Final = "examples:\n"


class Help(argparse.HelpFormatter):
    """Keeps the lines of examples, and knows its width: finding it as argparse does loads three compressors."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size(1).columns
        except OSError:
            width = 80
        super().__init__(prog, max_help_position=28, width=max(40, min(width, 100) - 2))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(EXAMPLES) else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """Answers wrong use with one line and 64."""

    def error(self, message: str) -> NoReturn:
        """Ends the process."""
        print(f"{self.prog}: {plain(message)}; see {self.prog} --help", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def parser_of(*names: str) -> ArgumentParser:
    """The parser of ``pyqueue`` with these commands, whose modules are loaded."""
    parser: ArgumentParser = Parser(prog="pyqueue", formatter_class=Help)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")
    # Told its prog, argparse needs not format a usage to find it.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="pyqueue")
    for name in names:
        load(name).add(commands, shared)
    return parser


def add_command(
    commands: _SubParsersAction[ArgumentParser],
    shared: ArgumentParser,
    name: str,
    description: str,
    examples: Iterable[str],
) -> ArgumentParser:
    """Adds a command with its examples."""
    return commands.add_parser(
        name,
        parents=[shared],
        help=COMMANDS[name],
        description=description,
        epilog=EXAMPLES + "\n".join(f"  {line}" for line in examples),
        formatter_class=Help,
    )
