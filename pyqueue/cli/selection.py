"""Jobs that a command means by ``--where``: the option, what it would do, and what it did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyqueue._core import Selection
from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import note
from pyqueue.cli.summary import summary_object
from pyqueue.cli.table import table
from pyqueue.cli.times import age
from pyqueue.cli.words import print_json
from pyqueue.exceptions import InvalidFilter
from pyqueue.where import Where, where

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
    from typing import Final

    from pyqueue._core import Store

SHOWN: Final = 20
"""Jobs of a dry run that are listed."""
FIELDS: Final = "task=report.* queue=mail key=c7:* state=waiting age>1h priority<5 retries>=2; all must hold, != is the opposite"

Acted = tuple[int, int, int, int]


def add_where(parser: ArgumentParser, *, required: bool = False) -> None:
    """Adds ``--where`` and ``--dry-run``."""
    parser.add_argument("--where", metavar="FILTER", required=required, help=f"the jobs that fit: {FIELDS}")
    parser.add_argument(
        "--dry-run", action="store_true", help="with --where: show how many it would be, and the first"
    )


def said(text: str) -> Where:
    """What ``--where`` says. Raises InvalidFilter, also for a blank text, as a script's unset variable gives it."""
    which = where(text)
    if not which.conditions:
        raise InvalidFilter("--where says nothing: if every job is meant, write 'task=*'")
    return which


def selection(store: Store, which: Where) -> Selection:
    """The jobs that fit. Raises InvalidFilter."""
    conditions = which.core(store.now_us())
    store.fold()
    return Selection(store, conditions)


def act(
    store: Store,
    arguments: Namespace,
    did: str,
    verb: Callable[[Selection], Acted],
    will: str = "",
    *,
    which: Where | None = None,
) -> int:
    """Does it to the jobs that fit ``which``, else ``--where``, or shows which those are; the exit code."""
    chosen = selection(store, said(arguments.where) if which is None else which)
    if arguments.dry_run:
        return _show(store, chosen, arguments, will or did)
    done, asked, running, taken = verb(chosen)
    if arguments.json:
        print_json(store.path, {did: done, "asked": asked, "running": running, "taken": taken})
    else:
        print(f"{done:,} {did}" + (f", {asked:,} asked to end" if asked else ""))
        if running:
            note(f"{running:,} run and were left alone")
        if taken:
            note(f"{taken:,} stay: their dedup key is taken there")
    if running or taken:
        return EXIT_FAILED
    return EXIT_DONE if done or asked else EXIT_NOTHING


def _show(store: Store, chosen: Selection, arguments: Namespace, did: str) -> int:
    jobs, count = chosen.list(SHOWN), chosen.count()
    if arguments.json:
        first = [summary_object(job) for job in jobs]
        print_json(store.path, {"would_be": did, "count": count, "first": first})
        return EXIT_DONE
    if jobs:
        now_us = store.now_us()
        rows = [[job.id, job.state, job.task, job.queue, age(job.enqueued_us, now_us)] for job in jobs]
        print(table(["id", "state", "task", "queue", "enqueued"], rows, left=(0, 1, 2, 3), whole=(0, 1)))
    note(f"{count:,} would be {did}" + (f", of which these are the first {SHOWN}" if count > SHOWN else ""))
    return EXIT_DONE


def agreed(question: str) -> bool:
    """Asks on the terminal."""
    # The question is not the answer: that goes to standard output.
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
