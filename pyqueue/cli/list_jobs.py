"""``pyqueue list``: the newest jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, whole
from pyqueue.cli.filters import add_filters
from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.progress import of
from pyqueue.cli.selection import FIELDS, selection
from pyqueue.cli.summary import STATES, summary_object
from pyqueue.cli.table import table
from pyqueue.cli.times import age
from pyqueue.cli.words import print_json, shortened
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.where import where

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Sequence
    from typing import Final

    from pyqueue._core import JobSummary, Store

LONGEST: Final = 60
"""Characters of a progress."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "list",
        "Lists the newest jobs that fit, or with --where the first in line. It reads rows until it has enough, so it is for people and not for "
        "polling.",
        (
            "pyqueue list --state failed --error 'Timeout*'",
            "pyqueue list --queue mail --task app.send --limit 5 --json",
            "pyqueue list --where 'task=report.* age>1h state!=running'",
            "pyqueue list --workflow",
        ),
    )
    parser.add_argument("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    parser.add_argument(
        "--workflow", action="store_true", help="list workflows, and not jobs; with --limit alone"
    )
    add_filters(parser)
    parser.add_argument("--where", metavar="FILTER", help=f"only those that have not ended and fit: {FIELDS}")
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="at most so many (default: %(default)s)"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = whole(arguments)
    if arguments.workflow:
        from pyqueue.cli.workflows import print_list  # noqa: PLC0415  for those who have some

        print_list(store, arguments.limit, arguments.json)
        return 0
    jobs = _jobs(store, arguments)
    if arguments.json:
        print_json(store.path, {"jobs": [summary_object(job) for job in jobs]})
    elif jobs:
        print(_table(jobs, store.now_us()))
    else:
        print("no such jobs")
    return 0


def _jobs(store: Store, arguments: Namespace) -> Sequence[JobSummary]:
    if arguments.where is not None:
        others = ("state", "queue", "task", "error", "since")
        if any(getattr(arguments, name) is not None for name in others):
            raise ImproperlyConfigured("--where says all of it: the other filters don't go with it")
        return selection(store, where(arguments.where)).list(arguments.limit)
    return store.jobs(
        state=arguments.state,
        queue=arguments.queue,
        task=arguments.task,
        error=arguments.error,
        since_us=None if arguments.since is None else store.now_us() - round(arguments.since * 1e6),
        limit=arguments.limit,
    )


def _table(jobs: Sequence[JobSummary], now_us: int) -> str:
    rows = [[job.id, job.state, job.task, job.queue, age(job.enqueued_us, now_us)] for job in jobs]
    header = ["id", "state", "task", "queue", "enqueued"]
    left = [0, 1, 2, 3]
    if any(job.progress is not None for job in jobs):
        header.append("progress")
        left.append(5)
        rows = [[*row, shortened(of(job), LONGEST)] for row, job in zip(rows, jobs, strict=True)]
    return table(header, rows, left=left, whole=(0, 1))
