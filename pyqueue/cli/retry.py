"""``pyqueue retry``: failed and dead jobs once more, as new jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Final

    from pyqueue._core import Store

MOST: Final = 100_000
"""Jobs of one call with --failed, so that its memory is bounded."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "retry",
        "Stores failed and dead jobs once more, as new jobs, and prints the new ids. What is known of the "
        "old ones is kept, so that --failed finds them again, unless --forget drops it.",
        (
            "pyqueue retry 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue retry --failed --task app.send --forget",
        ),
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="the jobs")
    parser.add_argument("--failed", action="store_true", help="all that failed or are dead")
    parser.add_argument("--task", metavar="NAME", help="with --failed: only of this task")
    parser.add_argument("--queue", metavar="NAME", help="with --failed: only of this queue")
    parser.add_argument(
        "--forget", action="store_true", help="drop what is kept of each job once it is retried"
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    if arguments.failed == bool(arguments.ids):
        raise ImproperlyConfigured("say which jobs: either ids or --failed")
    if not arguments.failed and (arguments.task or arguments.queue):
        raise ImproperlyConfigured("--task and --queue go with --failed")
    store = existing(arguments)
    ids = _failed(store, arguments.task, arguments.queue) if arguments.failed else arguments.ids
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
    return EXIT_FAILED if refused else EXIT_NOTHING if unknown and not arguments.failed else EXIT_DONE


def _failed(store: Store, task: str | None, queue: str | None) -> list[str]:
    found = [
        job.id
        for state in ("failed", "dead")
        for job in reversed(store.jobs(state=state, task=task, queue=queue, limit=MOST))
    ]
    if len(found) > MOST:
        note(f"there are more than {MOST:,}: the oldest of each state are left for the next call")
    return found


def _say(path: str, retried: int, refused: list[dict[str, str]], unknown: list[str]) -> None:
    note(f"{retried:,} retried")
    for job in refused:
        if job["state"] in ("failed", "dead"):
            note(f"{plain(job['id'])} can't be retried: its arguments are not kept any more")
        else:
            note(f"{plain(job['id'])} is {job['state']}: only what failed or is dead can be retried")
    for id in unknown:
        note(f"{path} holds no job {id}")
