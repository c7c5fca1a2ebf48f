"""``pyqueue retry``: failed and dead jobs once more, as new jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.filters import add_filters
from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.summary import summary_object
from pyqueue.cli.table import table
from pyqueue.cli.words import plain, print_json, shortened
from pyqueue.exceptions import ImproperlyConfigured, InvalidFilter
from pyqueue.knobs import seconds
from pyqueue.redaction import masked_text
from pyqueue.replaying import MOST, Which, found, refusal
from pyqueue.where import is_pattern, where

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Final

    from pyqueue._core import JobSummary, Store

LONGEST: Final = 60
"""Characters of an error in the table of --dry-run."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "retry",
        "Stores failed and dead jobs once more, as new jobs, and prints the new ids: those of the ids, or all that fit "
        "the options. Patterns have *, ? and [...]; quote them. What is known of the old ones is kept, so that they "
        "are found again, unless --forget drops it.",
        (
            "pyqueue retry 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue retry --task 'report.*' --error 'Timeout*' --since 2h --dry-run",
            "pyqueue retry --failed --queue mail --forget",
        ),
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="the jobs")
    parser.add_argument("--failed", action="store_true", help="all that failed or are dead")
    add_filters(parser)
    parser.add_argument(
        "--where",
        metavar="FILTER",
        help="the same as one text: 'task=report.* error=Timeout* state=dead age<2h'",
    )
    parser.add_argument("--state", choices=("failed", "dead"), help="only failed, or only dead ones")
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="at most so many, those that ended first before the others",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show which jobs it would be, and store nothing"
    )
    parser.add_argument(
        "--forget", action="store_true", help="drop what is kept of each job once it is retried"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    _read_where(arguments)
    given = (
        arguments.task,
        arguments.queue,
        arguments.state,
        arguments.error,
        arguments.since,
        arguments.limit,
    )
    by_filter = arguments.failed or any(each is not None for each in given)
    if by_filter and arguments.ids:
        raise ImproperlyConfigured(
            "say which jobs either by ids or by options such as --failed or --task, not both"
        )
    if not by_filter and not arguments.ids:
        raise ImproperlyConfigured(
            "say which jobs: ids, or --failed, --task, --queue, --state, --error, --since"
        )
    store = existing(arguments)
    if arguments.dry_run:
        return _show(store, arguments, by_filter)
    ids = [job.id for job in _found(store, arguments)] if by_filter else arguments.ids
    retried, refused, unknown = [], [], []
    for id in dict.fromkeys(ids):
        new = store.replay(id)
        if new is not None:
            retried.append({"id": id, "new_id": new})
            if not arguments.json:
                print(new, flush=True)
            if arguments.forget:
                store.forget(id)
        elif (state := store.view(id).state) != "unknown":
            refused.append({"id": id, "state": state})
        else:
            unknown.append(id)
    if arguments.json:
        print_json(store.path, {"retried": retried, "refused": refused, "unknown": unknown})
    else:
        _say(store.path, len(retried), refused, unknown)
    return EXIT_FAILED if refused else EXIT_NOTHING if unknown and not by_filter else EXIT_DONE


def _read_where(arguments: Namespace) -> None:
    """Says by the options what ``--where`` says. Raises InvalidFilter for what is not known of ended jobs."""
    for field, operator, value in where(arguments.where or "").conditions:
        option = {"age": "since"}.get(field, field)
        if field == "queue" and operator == "=" and is_pattern(value):
            raise InvalidFilter(
                f"of jobs that have ended the queue is known by its name, and not by {value!r:.80}"
            )
        if operator != ("<" if field == "age" else "=") or getattr(arguments, option, "") is not None:
            raise InvalidFilter(
                f"of jobs that have ended task=, queue=, state=, error= and age< are known, each once, "
                f"and not {field}{operator}{value}"
            )
        setattr(arguments, option, seconds(value) if field == "age" else value)


def _found(store: Store, arguments: Namespace) -> list[JobSummary]:
    since_us = None if arguments.since is None else store.now_us() - round(arguments.since * 1e6)
    which = Which(arguments.task, arguments.queue, arguments.state, arguments.error, since_us)
    jobs, more = found(store, which, arguments.limit or MOST)
    if more:
        note(f"there are more than {len(jobs):,}: the others are left for the next call")
    return jobs


def _show(store: Store, arguments: Namespace, by_filter: bool) -> int:
    shown = [store.show(id) for id in dict.fromkeys(arguments.ids)]
    jobs = _found(store, arguments) if by_filter else [job for job in shown if job is not None]
    jobs = [job for job in jobs if job.state in ("failed", "dead")]
    if arguments.json:
        print_json(store.path, {"would_retry": [summary_object(job) for job in jobs]})
        return EXIT_DONE
    if jobs:
        rows = [[job.id, job.state, job.task, shortened(_error(job), LONGEST)] for job in jobs]
        print(table(["id", "state", "task", "error"], rows, left=(0, 1, 2, 3), whole=(0, 1)))
    note(f"{len(jobs):,} would be retried")
    return EXIT_DONE


def _error(job: JobSummary) -> str:
    return (
        ""
        if job.error is None
        else f"{job.error.removeprefix('builtins.')}: {masked_text(job.message or '')}"
    )


def _say(path: str, retried: int, refused: list[dict[str, str]], unknown: list[str]) -> None:
    note(f"{retried:,} retried")
    for job in refused:
        note(refusal(plain(job["id"]), job["state"]))
    for id in unknown:
        note(f"{path} holds no job {id}")
