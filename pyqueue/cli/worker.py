"""``pyqueue worker``."""

from __future__ import annotations

import argparse
import sys
from argparse import SUPPRESS
from typing import TYPE_CHECKING

from pyqueue.cli.celerys import add_flags
from pyqueue.cli.numbers import length, positive
from pyqueue.cli.parser import add_command
from pyqueue.knobs import CHECKS, autoscale, memory, seconds

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

LEVELS = ("debug", "info", "warning", "error", "critical")

# Flags of Celery's worker that scripts have.
WITHOUT_EFFECT = {
    "-E --task-events": "-E has no effect: the file is the record of what happens",
    "-B --beat": "-B has no effect: every worker fires schedules, and each time once",
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
            "pyqueue worker --autoscale 8,1 --max-memory-per-child 300M --time-limit 5m",
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
        "-c",
        "--concurrency",
        type=positive,
        metavar="N",
        help="jobs at once (default: one for each processor)",
    )
    parser.add_argument(
        "--autoscale",
        type=range_of,
        metavar="MAX,MIN",
        help="between MIN and MAX children, by how long the oldest job waits and by the free memory",
    )
    parser.add_argument(
        "-Q",
        "--queues",
        type=names,
        metavar="A,B:N",
        help="only these queues (default: all); B:N keeps N slots for B, whose jobs may use others too",
    )
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
    parser.add_argument(
        "--prefetch",
        "--prefetch-multiplier",
        type=ahead,
        metavar="N",
        help="give each slot N jobs at once, which wait there behind each other (default: short ones in frames, a "
        "long one alone)",
    )
    parser.add_argument(
        "--time-limit",
        type=limit,
        metavar="SECONDS",
        help="kill the child of a job that runs longer, if job and task have no limit of their own",
    )
    parser.add_argument(
        "--soft-time-limit",
        type=limit,
        metavar="SECONDS",
        help="raise SoftTimeLimitExceeded in a job that runs longer, if it has no limit of its own",
    )
    parser.add_argument(
        "--max-tasks-per-child",
        type=positive,
        metavar="N",
        help="replace a child after N jobs (default: never)",
    )
    parser.add_argument(
        "--max-memory-per-child",
        type=size,
        metavar="SIZE",
        help="replace a child between jobs once it has more than SIZE: KiB, 512M or 2G; 0 is never (default: its "
        "share of four fifths of the memory)",
    )
    parser.add_argument(
        "--memory-limit",
        type=size,
        metavar="SIZE",
        help="kill a child, and fail its job, at more than SIZE; 0 is never (default: nine tenths of the memory)",
    )
    parser.add_argument("--burst", action="store_true", help="end when no job may start now")
    parser.add_argument(
        "--no-beat", action="store_true", help="fire no schedules: pyqueue beat or other workers do"
    )
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
            autoscale=arguments.autoscale,
            prefetch=arguments.prefetch,
            max_tasks_per_child=arguments.max_tasks_per_child,
            max_memory_per_child=arguments.max_memory_per_child,
            memory_limit=arguments.memory_limit,
            time_limit=arguments.time_limit,
            soft_time_limit=arguments.soft_time_limit,
            beat=not arguments.no_beat,
        )
    )


def limit(text: str) -> float:
    """Seconds, or a length with its unit."""
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def range_of(text: str) -> tuple[int, int]:
    """The most and the least."""
    try:
        return autoscale(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def ahead(text: str) -> int:
    """Jobs of one slot."""
    try:
        return CHECKS["prefetch"](text)  # type: ignore[no-any-return]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def size(text: str) -> int:
    """Bytes of a size; a bare number is KiB, as in Celery."""
    try:
        return memory(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("name at least one queue")
    return found
