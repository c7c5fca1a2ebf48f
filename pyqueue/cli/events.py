"""``pyqueue events``: what happens, in the order of commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, note, whole
from pyqueue.cli.parser import add_command
from pyqueue.cli.times import clock, length
from pyqueue.cli.words import plain, print_json, shortened

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "events",
        "Shows what has happened, in the order of commits and under Celery's names: all that is kept, or what comes "
        "behind a cursor. Jobs sent and received, and workers that come and go, are written only while "
        "somebody follows them.",
        (
            "pyqueue events --follow",
            "pyqueue events --follow --type task-failed task-retried --json",
            "pyqueue events --since 5c0f1b2a-1f-0-0 --json",
        ),
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on with what happens; without --since from now on"
    )
    parser.add_argument(
        "--since", metavar="CURSOR", help="what comes behind the event with this cursor; start: all"
    )
    parser.add_argument(
        "--type", nargs="+", metavar="TYPE", help="only these: task-succeeded, task-failed, ..."
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    from pyqueue.events import happening  # noqa: PLC0415

    store = whole(arguments)
    last = None
    for event in happening(store, arguments.since, arguments.type, arguments.follow):
        last = event["cursor"]
        if arguments.json:
            print_json(store.path, event)
        else:
            print(_line(event))
        if arguments.follow:
            print(end="", flush=True)
    if last is not None and not arguments.json:
        note(f"what comes next: pyqueue events --since {last}")
    return 0


def _line(event: dict[str, Any]) -> str:
    at_us = round(event["timestamp"] * 1e6)
    parts = [f"{clock(at_us)}.{at_us // 1000 % 1000:03d}", event["type"].ljust(16)]
    if "uuid" in event:
        parts += [plain(str(event["uuid"])), plain(str(event["name"]))]
    if event["hostname"] is not None:
        parts.append(f"on {plain(event['hostname'])}")
    return "  ".join([*parts, *_more(event)]).rstrip()


def _more(event: dict[str, Any]) -> list[str]:
    more = []
    if event["type"] == "events-missed":
        if event["missed"] is not None:
            more.append(f"{event['missed']:,} are not kept any more")
        else:
            since = event["since"]
            asked = "before" if since is None else f"since {clock(round(since * 1e6))}"
            more.append(f"nobody asked for more than ends {asked}")
    if event.get("runtime") is not None:
        more.append(f"took {length(round(event['runtime'] * 1e6))}")
    if event.get("exception") is not None:
        more.append(shortened(plain(event["exception"]), 80))
    if event.get("active") is not None:
        more.append(f"{event['active']} jobs")
    return more
