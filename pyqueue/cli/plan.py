"""``pyqueue plan``: how many children and how much disk the load of the last days needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from pyqueue._core import usable_cpus
from pyqueue.cli.codes import EXIT_DONE
from pyqueue.cli.erlang import MOST, servers_for
from pyqueue.cli.file import NoFile, add_options, existing
from pyqueue.cli.numbers import length_of_time
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.times import length
from pyqueue.cli.words import print_json
from pyqueue.config import resolve

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Final

    from pyqueue._core import Load

FEWEST: Final = 20
"""Ended jobs that a plan is made of."""
DAY: Final = 86_400.0
FILLED: Final = 0.7
"""Of a page of SQLite, on the average."""


class Plan(NamedTuple):
    """What the load is and what it needs. Times are seconds."""

    jobs: int
    window: float
    per_day: float
    busiest_per_minute: int
    run_time: float
    attempts_per_job: float
    varied: float
    """c² of the run times: 0 where all are alike, 1 as of an exponential distribution."""
    load: float
    """How many children are busy on the average."""
    busiest_load: float
    children: int | None
    busiest_children: int | None
    bytes_per_job: float
    bytes_per_day: float
    file_bytes: float


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "plan",
        "Says how many children and how much disk the jobs need that are in the history, if they go on coming as they "
        "did: by Erlang's formula for a line in front of many servers, for the average and for the busiest minute.",
        ("pyqueue plan", "pyqueue plan --since 1d --wait 500ms --share 99 --times 3"),
    )
    parser.add_argument(
        "--since",
        type=length_of_time,
        default=7 * DAY,
        metavar="TIME",
        help="look at the last 30m, 1h, 7d (default: 7d)",
    )
    parser.add_argument(
        "--wait",
        type=length_of_time,
        default=1.0,
        metavar="TIME",
        help="how long a job may wait (default: 1s)",
    )
    parser.add_argument(
        "--share",
        type=percent,
        default=95.0,
        metavar="PERCENT",
        help="how many start in that time (default: 95)",
    )
    parser.add_argument(
        "--times",
        type=factor,
        default=1.0,
        metavar="N",
        help="plan for so many times as many jobs (default: 1)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def percent(text: str) -> float:
    """A share of jobs."""
    return _number(text, 1, 99.999, "percent from 1 to 99.999")


def factor(text: str) -> float:
    """How many times as many."""
    return _number(text, 0.001, 100_000, "number from 0.001 to 100,000")


def _number(text: str, least: float, most: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
    return number


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    now_us = store.now_us()
    load = store.load(now_us - round(arguments.since * 1e6))
    jobs = sum(task.jobs for task in load.tasks)
    if jobs < FEWEST or load.first_us is None or sum(task.attempts for task in load.tasks) == 0:
        raise NoFile(
            f"{store.path} has {jobs:,} ended jobs of the last {length(round(arguments.since * 1e6))}, which is too few for a "
            f"plan: it takes {FEWEST}; let it run, or look further back with --since"
        )
    plan = planned(
        load, (now_us - load.first_us) / 1e6, arguments.wait, arguments.share / 100, arguments.times
    )
    if arguments.json:
        print_json(store.path, {**plan._asdict(), "tasks": _tasks(load)})
    else:
        print("\n".join(_lines(plan, load, arguments)))
    return EXIT_DONE


def planned(load: Load, window: float, wait: float, share: float, times: float = 1.0) -> Plan:
    """What the load needs, were there ``times`` as many jobs."""
    ended = sum(task.jobs for task in load.tasks)
    attempts = sum(task.attempts for task in load.tasks)
    seconds = sum(task.seconds for task in load.tasks)
    run_time = seconds / attempts
    squares = sum(task.squares for task in load.tasks) / attempts
    varied = max(0.0, squares / run_time**2 - 1) if run_time > 0 else 0.0
    # One that came a moment ago says nothing of a rate.
    window = max(window, 60.0)
    rate = times * (ended + load.unfinished) / window
    busiest_rate = max(rate, times * load.busiest / 60)
    each = seconds / ended
    kept = resolve({}).config
    bytes_per_job = sum(task.bytes for task in load.tasks) / ended
    history = min(rate * kept.result_expires, kept.history_count) * bytes_per_job / FILLED
    return Plan(
        jobs=ended,
        window=window,
        per_day=rate * DAY,
        busiest_per_minute=round(busiest_rate * 60),
        run_time=run_time,
        attempts_per_job=attempts / ended,
        varied=varied,
        load=rate * each,
        busiest_load=busiest_rate * each,
        children=servers_for(rate * each, run_time, wait, share, varied),
        busiest_children=servers_for(busiest_rate * each, run_time, wait, share, varied),
        bytes_per_job=bytes_per_job,
        bytes_per_day=rate * DAY * bytes_per_job / FILLED,
        file_bytes=history,
    )


def _tasks(load: Load) -> list[dict[str, Any]]:
    return [
        {
            "task": task.task,
            "jobs": task.jobs,
            "attempts": task.attempts,
            "run_time": task.seconds / task.attempts if task.attempts else None,
            "seconds": task.seconds,
            "bytes": task.bytes,
        }
        for task in load.tasks
    ]


def _lines(plan: Plan, load: Load, arguments: Namespace) -> list[str]:
    wait = length(round(arguments.wait * 1e6))
    times = "" if arguments.times == 1 else f", {arguments.times:g} times as many"
    cpus = usable_cpus()
    rows = [
        [
            task.task,
            f"{task.jobs:,}",
            length(round(task.seconds / task.attempts * 1e6)) if task.attempts else "-",
            f"{task.seconds / plan.window:.2f}",
        ]
        for task in load.tasks[:20]
    ]
    lines = [
        f"jobs      {plan.jobs:,} that ended, of the last {length(round(plan.window * 1e6))}",
        f"arrivals  {plan.per_day:,.0f} a day, {plan.busiest_per_minute:,} in the busiest minute{times}",
        f"run time  {_time(plan.run_time)} an attempt, {plan.attempts_per_job:.2f} attempts a job",
        f"busy      {plan.load:.2f} children on the average, {plan.busiest_load:.2f} in the busiest minute",
        "",
        f"For {arguments.share:g} % of the jobs to start within {wait}:",
        f"  children  {_children(plan.children)} on the average, {_children(plan.busiest_children)} in the busiest minute",
        f"  disk      {_bytes(plan.bytes_per_day)} of history a day ({_bytes(plan.bytes_per_job)} a job); with what is deleted, "
        f"the file stays at about {_bytes(plan.file_bytes)} beside what waits (now {_bytes(load.file_bytes)})",
    ]
    if (plan.busiest_children or MOST) > cpus:
        lines.append(
            f"  This machine has {cpus} CPUs: more children than that help jobs that wait for others, not those that compute."
        )
    return [*lines, "", table(["task", "jobs", "run time", "children busy"], rows, left=(0,))]


def _children(number: int | None) -> str:
    return f"more than {MOST:,}" if number is None else f"{number:,}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.3g} {unit}"
