"""``pyqueue cancel``: cancels jobs, and ends those that run if that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue._core import Workflows
from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.means import add_means, means_of
from pyqueue.cli.parser import add_command
from pyqueue.cli.selection import act, add_where
from pyqueue.cli.words import print_json
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from pyqueue._core import Store


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "cancel",
        "Cancels jobs that are not running, and says for which it is too late. With --terminate those that run are ended: "
        "the task is told and Terminated is raised in it, after --grace seconds its process gets the signal, and after as "
        "many again it is killed. Exit code 0: all were cancelled, or asked to end; 1: it was too late for some; 69: some "
        "are not in the file.",
        (
            "pyqueue cancel 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue cancel --json $(cat ids.txt)",
            "pyqueue cancel --terminate --wait 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue cancel --workflow 0017f000-0000-8000-8bd5-dacda2b3cac3",
            "pyqueue cancel --where 'task=report.* age>1d' --dry-run",
        ),
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="the jobs")
    add_where(parser)
    parser.add_argument(
        "--workflow",
        action="store_true",
        help="cancel all that has not run of the workflows that have these names or jobs",
    )
    parser.add_argument("--terminate", "--running", action="store_true", help="end those that run")
    add_means(parser, "--terminate")
    parser.add_argument("--wait", action="store_true", help="with --terminate: until they have ended")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    if (arguments.where is None) == (not arguments.ids):
        raise ImproperlyConfigured("say which jobs, either by ids or by --where")
    store = existing(arguments)
    if arguments.where is not None:
        if arguments.workflow or arguments.wait:
            raise ImproperlyConfigured("--workflow and --wait go with ids, not with --where")
        means = means_of(arguments) if arguments.terminate else None
        return act(store, arguments, "cancelled", lambda jobs: jobs.cancel(means))
    cancelled: list[str] = []
    asked: list[str] = []
    late, unknown = [], []
    ids = dict.fromkeys(arguments.ids)
    if arguments.workflow:
        workflows = Workflows(store)
        running = {id: workflows.cancel(id) for id in ids}
        unknown = [id for id, found in running.items() if found is None]
        cancelled = [id for id, found in running.items() if found is not None]
        # What runs goes on, unless it shall be ended.
        ids = dict.fromkeys(job for found in running.values() for job in found or () if arguments.terminate)
    for id in ids:
        done, state = _cancel(store, id, arguments)
        if done:
            (asked if state == "running" else cancelled).append(id)
        elif state == "unknown":
            unknown.append(id)
        else:
            late.append({"id": id, "state": state})
    if arguments.json:
        print_json(store.path, {"cancelled": cancelled, "asked": asked, "too_late": late, "unknown": unknown})
    else:
        of = " workflows" if arguments.workflow and len(cancelled) != 1 else " workflow" * arguments.workflow
        print(f"{len(cancelled)}{of} cancelled" + (f", {len(asked)} asked to end" if asked else ""))
        for job in late:
            note(f"too late for {job['id']}: {job['state']}")
        for id in unknown:
            note(f"{store.path} holds no {'workflow' if arguments.workflow else 'job'} {id}")
    return EXIT_FAILED if late else EXIT_NOTHING if unknown else EXIT_DONE


def _cancel(store: Store, id: str, arguments: Namespace) -> tuple[bool, str]:
    """Whether it was not too late, and the job's state: one that was asked to end is running."""
    if not arguments.terminate:
        return (True, "cancelled") if store.cancel(id) else (False, store.view(id).state)
    said = store.revoke(id, *means_of(arguments))
    if said == "asked" and not arguments.wait:
        return True, "running"
    state = store.wait(id).state if said == "asked" else store.view(id).state
    return said == "cancelled" or (said == "asked" and state == "cancelled"), state
