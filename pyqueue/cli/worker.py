"""``pyqueue worker``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

LEVELS = ("debug", "info", "warning", "error", "critical")


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = commands.add_parser("worker", parents=[shared], help="run jobs")
    parser.add_argument("--db", metavar="FILE", help="the queue file (default: the app's)")
    parser.add_argument(
        "-A",
        "--app",
        metavar="APP",
        help="module:app or file.py (default: $PYQUEUE_APP, [tool.pyqueue] app in pyproject.toml, tasks.py, app.py)",
    )
    parser.add_argument(
        "-c", "--concurrency", type=positive, metavar="N", help="children (default: one a CPU)"
    )
    parser.add_argument("-Q", "--queues", type=names, metavar="A,B", help="only these queues (default: all)")
    parser.add_argument("-n", "--name", metavar="NAME", help="the worker's name (default: PID@HOST)")
    parser.add_argument("-l", "--loglevel", type=str.lower, choices=LEVELS, default="info", metavar="LEVEL")
    parser.add_argument("--burst", action="store_true", help="end when no job may start now")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    # Here and not above: the other commands need nothing of the running layer.
    from pyqueue.worker.main import WorkerOptions, run  # noqa: PLC0415

    return run(
        WorkerOptions(
            target=arguments.app,
            path=arguments.db,
            concurrency=arguments.concurrency,
            queues=arguments.queues,
            name=arguments.name,
            level=arguments.loglevel,
            burst=arguments.burst,
        )
    )


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("name at least one queue")
    return found
