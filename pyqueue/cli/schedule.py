"""``pyqueue schedule``: the schedules in the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_NOTHING, EXIT_USAGE
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.times import age, iso
from pyqueue.cli.words import plain, print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any

    from pyqueue._core import Schedule, Store


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "schedule",
        "Shows the schedules in the file and the times they come at, and changes whether they are fired. Whether "
        "a worker runs or not.",
        (
            "pyqueue schedule list",
            "pyqueue schedule next reports --from 2027-03-27 --to 2027-03-30",
            "pyqueue schedule run reports",
            "pyqueue schedule pause reports",
        ),
    )
    parser.add_argument(
        "act",
        choices=("list", "next", "run", "pause", "resume", "remove"),
        metavar="ACTION",
        help="list, next (the times that come), run (one job now), pause, resume, remove",
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="which schedule; list and next: all without it"
    )
    parser.add_argument(
        "--from", dest="start", type=_moment, metavar="TIME", help="next: from then on (default: now)"
    )
    parser.add_argument(
        "--to", type=_moment, metavar="TIME", help="next: before then, in UTC if no zone is said"
    )
    parser.add_argument(
        "--limit", type=positive, default=10, metavar="N", help="next: at most so many (default: %(default)s)"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    from pyqueue._core import Schedules  # noqa: PLC0415

    store = existing(arguments)
    if arguments.act in ("list", "next"):
        rows = Schedules(store).all()
        if arguments.name is not None:
            rows = [row for row in rows if row.name == arguments.name]
            if not rows:
                return _missing(arguments)
        return (_list if arguments.act == "list" else _next)(arguments, store, rows)
    if arguments.name is None:
        note(f"say which: pyqueue schedule {arguments.act} NAME")
        return EXIT_USAGE
    return _act(arguments, store)


def _missing(arguments: Namespace) -> int:
    note(f"there is no schedule {arguments.name}; pyqueue schedule list shows all")
    return EXIT_NOTHING


def _act(arguments: Namespace, store: Store) -> int:
    from pyqueue._core import Schedules  # noqa: PLC0415
    from pyqueue.app import PyQueue  # noqa: PLC0415
    from pyqueue.scheduling import resume, run  # noqa: PLC0415

    rows, name = Schedules(store), arguments.name
    row = rows.get(name)
    if row is None or row.gone:
        return _missing(arguments)
    told: dict[str, Any] = {"name": name, "action": arguments.act}
    match arguments.act:
        case "run":
            app = PyQueue(store.path)
            # A setting for tests must not keep the job out of the file.
            app.conf.task_always_eager = False
            told["job"] = run(app, name)
        case "pause":
            rows.pause(name)
        case "resume":
            resume(store, name)
        case "remove":
            rows.remove(name)
    if arguments.json:
        print_json(store.path, told)
    else:
        said = {"pause": "is paused", "resume": "goes on", "remove": "is removed"}
        print(told.get("job") or f"schedule {plain(name)} {said[arguments.act]}")
    return 0


def _list(arguments: Namespace, store: Store, rows: list[Schedule]) -> int:
    now = store.now_us()
    if arguments.json:
        print_json(store.path, {"schedules": [_object(row) for row in rows]})
    elif rows:
        cells = []
        for row in rows:
            when, task = _said(row)
            following = "paused" if row.paused else "-" if row.next_us is None else age(row.next_us, now)
            last = "-" if row.last_us is None else age(row.last_us, now)
            cells.append([row.name, when, task, following, last, str(row.fired), str(row.skipped)])
        header = ["name", "when", "task", "next", "last", "fired", "left out"]
        print(table(header, cells, left=[0, 1, 2, 3, 4], whole=(0,)))
    else:
        print("no schedules")
    return 0


def _next(arguments: Namespace, store: Store, rows: list[Schedule]) -> int:
    from pyqueue.exceptions import InvalidSchedule  # noqa: PLC0415
    from pyqueue.periodic import Periodic  # noqa: PLC0415
    from pyqueue.scheduling import times  # noqa: PLC0415
    from pyqueue.wall_times import us_of, zone_named  # noqa: PLC0415

    start = store.now_us() if arguments.start is None else us_of(arguments.start)
    end = us_of(arguments.to or datetime.max.replace(tzinfo=UTC) - timedelta(days=1))
    found = []
    for row in rows:
        try:
            periodic = Periodic.decoded(row.name, row.definition)
        except InvalidSchedule as error:
            if arguments.name is not None:
                raise
            note(str(error))
            continue
        zone = zone_named(periodic.when.zone or periodic.rules.zone)
        ahead = islice(times(periodic, start, end), arguments.limit + 1)
        found += [(when, when.astimezone(zone), row) for when in ahead]
    found.sort(key=lambda each: each[0])
    cut = len(found) > arguments.limit
    found = found[: arguments.limit]
    if arguments.json:
        listed = [
            {"name": row.name, "time": iso(us_of(when)), "local": local.isoformat()}
            for when, local, row in found
        ]
        print_json(store.path, {"times": listed})
    elif found:
        shown = [
            [
                f"{local:%Y-%m-%d %H:%M:%S %Z}",
                age(us_of(when), store.now_us()),
                row.name,
                "paused" if row.paused else "",
            ]
            for when, local, row in found
        ]
        print(table(["time", "", "schedule", ""], shown, left=[0, 1, 2, 3], whole=(0, 2)))
        if cut and arguments.to is not None:
            note("more times come before the end; --limit shows them")
    else:
        print("no times")
    return 0


def _said(row: Schedule) -> tuple[str, str]:
    """When, and which task."""
    from pyqueue.exceptions import InvalidSchedule  # noqa: PLC0415
    from pyqueue.periodic import Periodic  # noqa: PLC0415

    try:
        periodic = Periodic.decoded(row.name, row.definition)
    except InvalidSchedule:
        return "can't be read", "-"
    form = periodic.when.form()
    if "cron" in form:
        return f"{form['cron']} ({periodic.when.zone or periodic.rules.zone})", periodic.task
    return f"every {form['every_us'] / 1e6:g} s", periodic.task


def _object(row: Schedule) -> dict[str, Any]:
    when, task = _said(row)
    return {
        "name": row.name,
        "when": when,
        "task": task,
        "paused": row.paused,
        "next": iso(row.next_us),
        "due": iso(row.due_us),
        "last": iso(row.last_us),
        "job": row.job,
        "fired": row.fired,
        "skipped": row.skipped,
        "source": row.source,
    }


def _moment(text: str) -> datetime:
    from argparse import ArgumentTypeError  # noqa: PLC0415

    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no time such as 2027-03-27 or 2027-03-27T02:30+01:00") from None
    return moment
