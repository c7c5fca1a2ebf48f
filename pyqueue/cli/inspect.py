"""``pyqueue inspect``: what workers do and what waits, whether they can answer or not."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING, EXIT_USAGE
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.times import clock
from pyqueue.cli.words import plain, print_json, shortened
from pyqueue.redaction import masked
from pyqueue.wall_times import us_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final

WHAT: Final = (
    *("ping", "active", "reserved", "lost", "scheduled", "registered", "stats", "revoked", "query_task"),
    *("active_queues", "conf", "report", "memsample"),
)
BOUNDED: Final = ("active", "reserved", "lost", "scheduled", "revoked")
LONGEST: Final = 40
"""Characters of a call."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "inspect",
        "Shows what workers do and what waits, from the file, the workers' pages and the kernel. No worker is asked, so "
        "it is as quick and as true with workers that are busy, stopped or dead. ping ends with 0 if a worker is well, "
        "with 1 if there are workers and none is, with 69 if there are none.",
        (
            "pyqueue inspect ping",
            "pyqueue inspect active --destination mail@host --json",
            "pyqueue inspect registered max_retries rate_limit",
            "pyqueue inspect query_task 0017f000-0000-8000-8bd5-dacda2b3cac3",
        ),
    )
    parser.add_argument("what", choices=WHAT, metavar="WHAT", help=", ".join(WHAT))
    parser.add_argument(
        "more",
        nargs="*",
        default=[],
        metavar="ID",
        help="query_task: the jobs; registered: options of the tasks to show",
    )
    parser.add_argument(
        "-d", "--destination", metavar="NAMES", help="only these workers, with commas between"
    )
    parser.add_argument("--pattern", metavar="PATTERN", help="only workers whose name fits, with * and ?")
    parser.add_argument(
        "--limit", type=positive, default=200, metavar="N", help="at most so many jobs (default: %(default)s)"
    )
    parser.add_argument("--with-defaults", action="store_true", help="conf: also what nobody has said")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    from pyqueue.app import PyQueue  # noqa: PLC0415  help needs none of it
    from pyqueue.inspecting import Inspect  # noqa: PLC0415

    what = arguments.what
    if (what == "query_task") != bool(arguments.more) and what != "registered":
        note(
            "say which jobs: pyqueue inspect query_task ID"
            if what == "query_task"
            else f"{what} takes no more words"
        )
        return EXIT_USAGE
    app = PyQueue(existing(arguments).path)
    # A setting for tests must not have another file looked at.
    app.conf.task_always_eager = False
    named = None if arguments.destination is None else arguments.destination.split(",")
    look = Inspect(named, app=app, pattern=arguments.pattern)
    asked = {"limit": arguments.limit} if what in BOUNDED else {}
    if what == "conf":
        asked["with_defaults"] = arguments.with_defaults
    found = getattr(look, what)(*arguments.more, **asked) or {}
    answers = {name: _masked(what, each) for name, each in found.items()}
    if arguments.json:
        print_json(app.path, {"inspect": what, "workers": answers})
    elif answers:
        print(_shown(what, answers))
    if not answers:
        note(f"no worker of {plain(app.path)} is here" + (" that fits" if named or arguments.pattern else ""))
        return EXIT_NOTHING
    if what == "ping" and not any("ok" in each for each in answers.values()):
        return EXIT_FAILED
    return EXIT_DONE


def _masked(what: str, answer: Any) -> Any:
    """Without secrets in calls and settings. Workers, tasks and jobs are shown whatever they are called."""
    if what == "stats":
        return answer
    if what == "query_task":
        return {id: [place, masked(job)] for id, (place, job) in answer.items()}
    return masked(answer)


def _shown(what: str, answers: Mapping[str, Any]) -> str:
    return _SHOWN.get(what, _trees)(answers)


def _held(answers: Mapping[str, Any]) -> str:
    return _jobs([(name, job, _since(job)) for name, jobs in answers.items() for job in jobs])


def _scheduled(answers: Mapping[str, Any]) -> str:
    return _jobs(
        [(name, each["request"], _at(each["eta"])) for name, several in answers.items() for each in several]
    )


def _at(eta: str | None) -> str:
    return "beyond the year 9999" if eta is None else clock(us_of(datetime.fromisoformat(eta)))


def _queried(answers: Mapping[str, Any]) -> str:
    return _jobs([(name, job, state) for name, several in answers.items() for state, job in several.values()])


def _queues(answers: Mapping[str, Any]) -> str:
    return _lists({name: [_queue(each) for each in queues] for name, queues in answers.items()})


def _sizes(answers: Mapping[str, Any]) -> str:
    return _lists({name: [str(size)] for name, size in answers.items()})


def _reports(answers: Mapping[str, Any]) -> str:
    return "\n\n".join(f"{plain(name)}\n{plain(each['ok'], keep=chr(10))}" for name, each in answers.items())


def _trees(answers: Mapping[str, Any]) -> str:
    return "\n\n".join(
        "\n".join([plain(name), *(f"  {line}" for line in _lines(each))]) for name, each in answers.items()
    )


def _pings(answers: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            each["state"],
            f"{each['busy']}/{each['slots']}" if each.get("busy") is not None else "-",
            (each.get("error") or "").partition(": ")[2],
        ]
        for name, each in answers.items()
    ]
    return table(["worker", "state", "slots", ""], rows, left=(0, 1, 3))


def _jobs(jobs: list[tuple[str, Mapping[str, Any], str]]) -> str:
    if not jobs:
        return "no jobs"
    rows = [
        [
            name,
            job["id"],
            job["name"],
            shortened(_call(job), LONGEST),
            job["delivery_info"]["routing_key"],
            when,
        ]
        for name, job, when in jobs
    ]
    return table(["worker", "id", "task", "call", "queue", ""], rows, left=(0, 1, 2, 3, 4, 5), whole=(1,))


def _call(job: Mapping[str, Any]) -> str:
    if job["args"] is None:
        return "can't be read"
    said = [*map(repr, job["args"]), *(f"{name}={value!r}" for name, value in job["kwargs"].items())]
    return f"({', '.join(said)})"


def _since(job: Mapping[str, Any]) -> str:
    if job["time_start"] is None:
        return "-"
    stopped = ", stopped" if job.get("stopped") else ""
    return f"since {clock(round(job['time_start'] * 1e6))}, child {job['worker_pid']}{stopped}"


def _queue(queue: Mapping[str, Any]) -> str:
    own = queue["reserved_slots"]
    return f"{queue['name']} ({own} slots of its own)" if own else str(queue["name"])


def _lists(answers: Mapping[str, list[str]]) -> str:
    return "\n".join(
        f"{plain(name)}: {', '.join(map(plain, each)) if each else '-'}" for name, each in answers.items()
    )


def _lines(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, each in value.items():
        if isinstance(each, dict) and each:
            yield f"{indent}{plain(str(name))}:"
            yield from _lines(each, indent + "  ")
        else:
            yield f"{indent}{plain(str(name))}: {plain(str(each))}"


_SHOWN: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "ping": _pings,
    "active": _held,
    "reserved": _held,
    "lost": _held,
    "scheduled": _scheduled,
    "query_task": _queried,
    "active_queues": _queues,
    "registered": _lists,
    "revoked": _lists,
    "memsample": _sizes,
    "report": _reports,
}
