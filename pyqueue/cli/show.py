"""``pyqueue show``: everything that the file says of one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.asked import ask
from pyqueue.cli.codes import EXIT_NOTHING
from pyqueue.cli.file import add_options, note, whole
from pyqueue.cli.parser import add_command
from pyqueue.cli.progress import told
from pyqueue.cli.table import table
from pyqueue.cli.times import clock, length, local
from pyqueue.cli.words import coloured, plain, print_json, shortened
from pyqueue.exceptions import UnknownJob
from pyqueue.plain import steady
from pyqueue.redaction import masked_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterator
    from typing import Final

    from pyqueue._core import Attempt, Failure, Store
    from pyqueue.cli.asked import Asked

LONGEST: Final = 500
"""Characters of arguments, result and message that are shown without -v."""
SHORTEST: Final = 24
"""Of an attempt's error, so that the line has 80."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "show",
        "Shows everything the file says of a job: its call, times, attempts and errors. With -v values are "
        "not shortened and tracebacks are shown. Arguments are not kept once a job has succeeded.",
        (
            "pyqueue show 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue show --log 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue show --tree 0017f000-0000-8000-8bd5-dacda2b3cac3",
        ),
    )
    parser.add_argument("id", metavar="ID", help="the job")
    parser.add_argument(
        "--log", action="store_true", help="show what its attempts have logged, and nothing else"
    )
    parser.add_argument(
        "--tree",
        action="store_true",
        help="show the workflow that the job is in, or that has this name, and nothing else",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = whole(arguments)
    if arguments.log:
        return _show_log(store, arguments)
    if arguments.tree:
        return _show_tree(store, arguments)
    asked = ask(store, arguments.id)
    if arguments.json:
        print_json(store.path, asked.as_object(traceback=arguments.verbose))
        return 0
    longest = 10**9 if arguments.verbose else LONGEST
    lines = list(_lines(asked, store.now_us(), longest))
    width = max(len(name) for name, _ in lines)
    print(f"job {plain(arguments.id)}")
    for name, text in lines:
        print(f"  {name.ljust(width)}  {text}")
    if asked.attempts:
        print(f"\n{_attempts(asked.attempts)}")
        for line in _errors(asked.attempts, longest):
            print(line)
    if arguments.verbose:
        for attempt in asked.attempts:
            if attempt.failure is not None and attempt.failure.traceback:
                print(f"\nattempt {attempt.number}")
                print(plain(masked_text(attempt.failure.traceback.rstrip()), keep="\n\t"))
    return 0


def _show_tree(store: Store, arguments: Namespace) -> int:
    from pyqueue.cli.workflows import print_tree  # noqa: PLC0415  for those who have some

    if print_tree(store, arguments.id, arguments.json):
        return 0
    if store.view(arguments.id).state == "unknown":
        raise UnknownJob(f"{store.path} holds no job or workflow {plain(arguments.id)}")
    note(f"job {plain(arguments.id)} is in no workflow")
    return EXIT_NOTHING


def _show_log(store: Store, arguments: Namespace) -> int:
    if store.view(arguments.id).state == "unknown":
        raise UnknownJob(f"{store.path} holds no job {arguments.id}; it may have ended long ago")
    logs = store.logs(arguments.id)
    texts = [masked_text(text.decode("utf-8", "backslashreplace")) for _, _, text in logs]
    if arguments.json:
        told = [
            {"attempt": number, "dropped": dropped, "lines": text.splitlines()}
            for (number, dropped, _), text in zip(logs, texts, strict=True)
        ]
        print_json(store.path, {"id": arguments.id, "log": told})
        return 0
    for (number, dropped, _), text in zip(logs, texts, strict=True):
        if len(logs) > 1:
            print("running now" if number is None else f"attempt {number}")
        if dropped:
            note(f"{dropped:,} lines before these are not kept")
        print(steady(text), end="", flush=True)
    if not logs:
        note("nothing that it logged is kept")
    return 0


def _lines(asked: Asked, now_us: int, longest: int) -> Iterator[tuple[str, str]]:
    view, job = asked.view, asked.summary
    yield "state", coloured(view.state)
    yield "why", plain(asked.why)
    if job is not None:
        yield "task", plain(job.task)
        yield "arguments", shortened(plain(asked.call.text()), longest)
        if asked.about is not None:
            yield "asks about", f"half message {plain(asked.about)}"
        yield "queue", plain(job.queue)
        yield "priority", str(job.priority)
        yield "enqueued", local(job.enqueued_us, now_us)
        if job.run_at_us is not None:
            yield "not before", local(job.run_at_us, now_us)
        if job.finished_us is not None:
            yield "finished", local(job.finished_us, now_us)
        yield (
            "attempts",
            f"{job.attempts}, {job.retries} of them retried" if job.retries else str(job.attempts),
        )
    if asked.progress.known:
        state, meta = asked.progress.value
        text = told(state, meta) if asked.progress.problem is None else asked.progress.text()
        yield "progress", shortened(plain(text), longest)
    if view.state == "success":
        yield "result", shortened(plain(asked.result.text()), longest)
    if view.failure is not None:
        yield "error", shortened(plain(_error(view.failure)), longest)


def _attempts(attempts: list[Attempt]) -> str:
    # Short attempts are not measured, and the room is the errors'.
    measured = any(each.memory is not None for each in attempts)
    rows = [
        [
            str(each.number),
            each.outcome,
            clock(each.started_us if each.started_us is not None else each.finished_us),
            "-" if each.started_us is None else length(max(0, each.finished_us - each.started_us)),
            "-" if each.worker is None else str(each.worker),
            *(_used(each) if measured else ()),
            "" if each.failure is None else shortened(_error(each.failure), SHORTEST - 14 * measured),
        ]
        for each in attempts
    ]
    used = ["cpu", "memory"] if measured else []
    header = ["attempt", "outcome", "started", "took", "worker", *used, "error"]
    return table(header, rows, left=(1, 2, len(header) - 1))


def _used(attempt: Attempt) -> list[str]:
    return [
        "-" if attempt.cpu_us is None else length(max(0, attempt.cpu_us)),
        "-" if attempt.memory is None else f"{attempt.memory >> 20:,} MiB",
    ]


def _errors(attempts: list[Attempt], longest: int) -> Iterator[str]:
    """What had no room in the table."""
    for each in attempts:
        if each.failure is not None and len(error := _error(each.failure)) > SHORTEST:
            yield f"\nattempt {each.number}: {shortened(plain(error), longest)}"


def _error(failure: Failure) -> str:
    return f"{failure.error.removeprefix('builtins.')}: {masked_text(failure.message)}"
