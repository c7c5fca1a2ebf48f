"""``pyqueue list``: the newest jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, whole
from pyqueue.cli.filters import add_filters
from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.progress import of
from pyqueue.cli.summary import STATES, summary_object
from pyqueue.cli.table import table
from pyqueue.cli.times import age
from pyqueue.cli.words import print_json, shortened

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Final

    from pyqueue._core import JobSummary

LONGEST: Final = 60
"""Characters of a progress."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "list",
        "Lists the newest jobs that fit. It reads rows until it has enough, so it is for people and not for "
        "polling.",
        (
            "pyqueue list --state failed --error 'Timeout*'",
            "pyqueue list --queue mail --task app.send --limit 5 --json",
            "pyqueue list --workflow",
        ),
    )
    parser.add_argument("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    parser.add_argument(
        "--workflow", action="store_true", help="list workflows, and not jobs; with --limit alone"
    )
    add_filters(parser)
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
    jobs = store.jobs(
        state=arguments.state,
        queue=arguments.queue,
        task=arguments.task,
        error=arguments.error,
        since_us=None if arguments.since is None else store.now_us() - round(arguments.since * 1e6),
        limit=arguments.limit,
    )
    if arguments.json:
        print_json(store.path, {"jobs": [summary_object(job) for job in jobs]})
    elif jobs:
        print(_table(jobs, store.now_us()))
    else:
        print("no such jobs")
    return 0


def _table(jobs: list[JobSummary], now_us: int) -> str:
    rows = [[job.id, job.state, job.task, job.queue, age(job.enqueued_us, now_us)] for job in jobs]
    header = ["id", "state", "task", "queue", "enqueued"]
    left = [0, 1, 2, 3]
    if any(job.progress is not None for job in jobs):
        header.append("progress")
        left.append(5)
        rows = [[*row, shortened(of(job), LONGEST)] for row, job in zip(rows, jobs, strict=True)]
    return table(header, rows, left=left, whole=(0, 1))
