"""``pyqueue status``: what the file says about queues and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.file import add_options, existing
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any, Final

    from pyqueue._core import QueueStatus, WorkerStatus

COUNTS: Final = ("waiting", "delayed", "parked", "running", "succeeded", "failed", "retried", "lost")


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "status",
        "Shows every queue with its counts, and every worker; needs no worker to answer.",
        ("pyqueue status", "pyqueue status --db jobs.db --json"),
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    queues, workers = store.queues(), store.workers()
    if arguments.json:
        print_json(store.path, _object(queues, workers))
    else:
        print(_queues(queues), _workers(workers), sep="\n\n")
    return 0


def totals(queues: list[QueueStatus]) -> dict[str, int]:
    """The counts of all queues together."""
    return {key: sum(getattr(queue, key) for queue in queues) for key in COUNTS}


def _object(queues: list[QueueStatus], workers: list[WorkerStatus]) -> dict[str, Any]:
    worker_keys = ("id", "name", "pid", "slots", "running", "alive")
    return {
        "queues": [{key: getattr(queue, key) for key in ("name", "paused", *COUNTS)} for queue in queues],
        "totals": totals(queues),
        "workers": [{key: getattr(worker, key) for key in worker_keys} for worker in workers],
    }


def _queues(queues: list[QueueStatus]) -> str:
    if not queues:
        return "no jobs yet"
    rows = [
        [queue.name + (" (paused)" if queue.paused else ""), *(f"{getattr(queue, key):,}" for key in COUNTS)]
        for queue in queues
    ]
    if len(queues) > 1:
        rows.append(["(all)", *(f"{count:,}" for count in totals(queues).values())])
    return table(["queue", *COUNTS], rows)


def _workers(workers: list[WorkerStatus]) -> str:
    if not workers:
        return "no workers"
    rows = [
        [each.name, str(each.pid), str(each.slots), str(each.running), "alive" if each.alive else "gone"]
        for each in workers
    ]
    return table(["worker", "pid", "slots", "running", ""], rows)
