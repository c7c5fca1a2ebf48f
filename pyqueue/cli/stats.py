"""``pyqueue stats``: how long jobs waited and ran, by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.numbers import length_of_time, positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.times import age, iso, length
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any, Final

    from pyqueue._core import TaskStats

QUANTILES: Final = ("count", "p50", "p95", "p99", "max")
FAILED: Final = ("failure", "lost")


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "stats",
        "Shows by task how many attempts ended and how, and how long half of them, 95 and 99 of 100 waited and ran "
        "at most: exact, from the history that is kept. Waiting is counted from the call to the first start, of jobs "
        "that did not wait for a time or for other jobs.",
        ("pyqueue stats", "pyqueue stats --task 'report.*' --since 1d --json"),
    )
    parser.add_argument("--task", metavar="PATTERN", help="only tasks with such a name; * and ? are any")
    parser.add_argument(
        "--since",
        type=length_of_time,
        default=3600.0,
        metavar="TIME",
        help="what ended in the last 30s, 5m, 1h or 7d (default: 1h)",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=1_000_000,
        metavar="N",
        help="look at the newest N attempts at most (default: %(default)s)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    from pyqueue._core import Stats  # noqa: PLC0415

    store = existing(arguments)
    now_us = store.now_us()
    stats = Stats(store, now_us - round(arguments.since * 1e6), arguments.limit, arguments.task)
    if arguments.json:
        told = {
            "tasks": [_object(each) for each in stats.tasks],
            "attempts": stats.rows,
            "cut": stats.cut,
            "first": iso(stats.first_us),
        }
        print_json(store.path, told)
        return 0
    if not stats.tasks:
        print("no attempt ended in that time")
        return 0
    header = ["task", "runs", "failed", "retry", "waited p50", "p95", "p99", "ran p50", "p95", "p99"]
    print(table(header, [_row(each) for each in stats.tasks]))
    if stats.cut and stats.first_us is not None:
        note(
            f"only the newest {stats.rows:,} attempts were looked at, the first of them ended "
            f"{age(stats.first_us, now_us)}; --limit takes in more"
        )
    return 0


def _row(each: TaskStats) -> list[str]:
    outcomes = each.outcomes
    return [
        each.task,
        f"{each.runs:,}",
        f"{sum(outcomes[name] for name in FAILED):,}",
        f"{outcomes['retry']:,}",
        *_cells(each.waited),
        *_cells(each.ran),
    ]


def _cells(spread: tuple[int, int, int, int, int]) -> list[str]:
    return ["-"] * 3 if spread[0] == 0 else [_length(value) for value in spread[1:4]]


def _length(time_us: int) -> str:
    return f"{time_us / 1000:.1f} ms" if time_us < 10_000 else length(time_us)


def _object(each: TaskStats) -> dict[str, Any]:
    return {
        "task": each.task,
        "runs": each.runs,
        "outcomes": each.outcomes,
        "waited": _seconds(each.waited),
        "ran": _seconds(each.ran),
    }


def _seconds(spread: tuple[int, int, int, int, int]) -> dict[str, float | None]:
    """In seconds; None where nothing is known."""
    count, *values = spread
    shown = [value / 1e6 if count else None for value in values]
    return dict(zip(QUANTILES, [count, *shown], strict=True))
