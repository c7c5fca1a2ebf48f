"""``pyqueue list``: the newest jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, whole
from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.summary import STATES, summary_object
from pyqueue.cli.table import table
from pyqueue.cli.times import age
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from pyqueue._core import JobSummary


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "list",
        "Lists the newest jobs that fit. It reads rows until it has enough, so it is for people and not for "
        "polling.",
        (
            "pyqueue list --state failed",
            "pyqueue list --queue mail --task app.send --limit 5 --json",
        ),
    )
    parser.add_argument("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    parser.add_argument("--queue", metavar="NAME", help="only of this queue")
    parser.add_argument("--task", metavar="NAME", help="only of this task")
    parser.add_argument(
        "--limit", type=positive, default=50, metavar="N", help="at most so many (default: %(default)s)"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = whole(arguments)
    jobs = store.jobs(
        state=arguments.state, queue=arguments.queue, task=arguments.task, limit=arguments.limit
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
    return table(["id", "state", "task", "queue", "enqueued"], rows, left=(0, 1, 2, 3), whole=(0, 1))
