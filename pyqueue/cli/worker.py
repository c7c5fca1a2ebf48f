"""``pyqueue worker``."""

from __future__ import annotations

import argparse
import sys
from argparse import SUPPRESS
from typing import TYPE_CHECKING

from pyqueue.cli.celerys import add_flags
from pyqueue.cli.numbers import length, positive
from pyqueue.cli.parser import add_command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

LEVELS = ("debug", "info", "warning", "error", "critical")

# Flags of Celery's worker that scripts have.
WITHOUT_EFFECT = {
    "-E --task-events": "-E has no effect: the file is the record of what happens",
    "-B --beat": "-B has no effect: schedules are kept and not fired yet",
    "--without-gossip": "--without-gossip has no effect: workers don't gossip",
    "--without-mingle": "--without-mingle has no effect: workers don't mingle",
    "--without-heartbeat": "--without-heartbeat has no effect: the kernel tells of a worker's death",
}


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "worker",
        "Runs jobs in child processes until it is stopped. Ctrl-C or TERM lets running jobs finish, a second one "
        "doesn't. What is not said here comes from the app, $PYQUEUE_... or pyproject.toml; see pyqueue config.",
        (
            "pyqueue worker -A tasks.py",
            "pyqueue worker -A proj.app:app -c 4 -Q mail,default",
            "pyqueue worker --db jobs.db --burst --loglevel warning",
            "pyqueue worker -A tasks.py --reload",
        ),
    )
    parser.add_argument("--db", metavar="FILE", help="the queue file (default: the app's)")
    parser.add_argument(
        "-A",
        "--app",
        metavar="APP",
        help="module:app or file.py (default: $PYQUEUE_APP, [tool.pyqueue] app in pyproject.toml, tasks.py, app.py)",
    )
    parser.add_argument(
        "-c", "--concurrency", type=positive, metavar="N", help="jobs at once (default: one a CPU)"
    )
    parser.add_argument("-Q", "--queues", type=names, metavar="A,B", help="only these queues (default: all)")
    parser.add_argument("-n", "--name", metavar="NAME", help="the worker's name (default: PID@HOST)")
    parser.add_argument(
        "-l",
        "--loglevel",
        type=str.lower,
        choices=LEVELS,
        metavar="LEVEL",
        help=f"{', '.join(LEVELS)} (default: info)",
    )
    parser.add_argument("--json-logs", action="store_true", help="log one JSON object a line, the banner too")
    parser.add_argument(
        "-P",
        "--pool",
        metavar="POOL",
        help="prefork: child processes (default); solo: one of them; threads: one with -c threads; asyncio: one with -c "
        "coroutines at once (default: 100)",
    )
    parser.add_argument(
        "--grace", type=length, metavar="SECONDS", help="how long jobs may finish when stopped (default: 25)"
    )
    parser.add_argument("--burst", action="store_true", help="end when no job may start now")
    parser.add_argument(
        "--reload",
        action="store_true",
        help="replace the children when the app's source changes, as SIGHUP does: the old ones end their jobs",
    )
    for flags, because in WITHOUT_EFFECT.items():
        parser.add_argument(
            *flags.split(), dest="without_effect", action="append_const", const=because, help=SUPPRESS
        )
    add_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    # Here and not above: the other commands need nothing of the running layer.
    from pyqueue.worker.main import run  # noqa: PLC0415
    from pyqueue.worker.starting import WorkerOptions  # noqa: PLC0415

    for because in arguments.without_effect or ():
        print(f"pyqueue: {because}", file=sys.stderr)
    return run(
        WorkerOptions(
            target=arguments.app,
            path=arguments.db,
            concurrency=arguments.concurrency,
            queues=arguments.queues,
            name=arguments.name,
            level=arguments.loglevel,
            pool=arguments.pool,
            grace=arguments.grace,
            burst=arguments.burst,
            json_logs=arguments.json_logs,
            reload=arguments.reload,
        )
    )


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("name at least one queue")
    return found
