"""``pyqueue top``: a live view of the file, on a terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_NOTHING
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any, Final

    from pyqueue._core import Store
    from pyqueue.top.state import Frame

WIDTH: Final = 120
"""Columns of a frame that goes to no terminal."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "top",
        "Shows queues with rates, depths and ages, workers, what runs against its limit and the newest failures, as "
        "they change; keys pause, cancel and retry (? shows them). Where standard output is no terminal: one "
        "frame, with the rates of one second.",
        ("pyqueue top", "pyqueue top --once"),
    )
    parser.add_argument("--once", action="store_true", help="print one frame")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    if arguments.json:
        print_json(store.path, _object(_frame(store)))
        return 0
    if arguments.once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        from pyqueue.top.screen import lines  # noqa: PLC0415
        from pyqueue.top.state import View  # noqa: PLC0415

        for line in lines(_frame(store), View(), _width()):
            print(line.text)
        return 0
    try:
        from pyqueue.top.terminal import show  # noqa: PLC0415
    except ImportError as error:
        note(f"this Python can't drive a terminal ({error}); pyqueue top --once prints one frame")
        return EXIT_NOTHING
    import curses  # noqa: PLC0415

    try:
        show(store)
    except curses.error as error:
        note(
            f"this terminal can't be used ({error}; TERM is {os.environ.get('TERM')!r}); pyqueue top --once prints one frame"
        )
        return EXIT_NOTHING
    return 0


def _frame(store: Store) -> Frame:
    from pyqueue.top.reading import Reading  # noqa: PLC0415

    reading = Reading(store)
    reading.read()
    time.sleep(1)
    return reading.read()


def _width() -> int:
    try:
        return os.get_terminal_size(1).columns or WIDTH
    except OSError:
        return WIDTH


def _object(frame: Frame) -> dict[str, Any]:
    told: dict[str, Any] = {"in": frame.came, "out": frame.went, "failed": frame.failed}
    for name in ("queues", "workers", "jobs", "failures", "gates"):
        told[name] = [row._asdict() for row in getattr(frame, name)]
    return told
