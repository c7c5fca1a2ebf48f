"""``pyqueue status``: what the file says about queues and workers."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Store
from pyqueue.cli.table import table
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from pyqueue._core import QueueStatus, WorkerStatus

SCHEMA: Final = 1
EXIT_NOTHING: Final = 69

_COUNTS: Final = ("waiting", "delayed", "parked", "running", "succeeded", "failed", "retried", "lost")


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = commands.add_parser("status", parents=[shared], help="show queues and workers")
    parser.add_argument("--db", metavar="FILE", help="the queue file (default: $PYQUEUE_DB)")
    parser.add_argument("--json", action="store_true", help="one JSON object with stable keys")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    path = arguments.db or os.environ.get("PYQUEUE_DB")
    if not path:
        raise ImproperlyConfigured("no queue file is named: use --db FILE or set PYQUEUE_DB")
    if not os.path.exists(path):
        print(f"pyqueue: there is no queue file {path}", file=sys.stderr)
        return EXIT_NOTHING
    # Reading changes nothing, so a file that also holds other tables is as good.
    store = Store(os.path.abspath(path), embed=True)
    queues, workers = store.queues(), store.workers()
    if arguments.json:
        print(json.dumps({"schema": SCHEMA, "db": store.path, **_object(queues, workers)}))
    else:
        print(_text(queues, workers))
    return 0


def _object(queues: list[QueueStatus], workers: list[WorkerStatus]) -> dict[str, Any]:
    worker_keys = ("id", "name", "pid", "slots", "running", "alive")
    return {
        "queues": [{key: getattr(queue, key) for key in ("name", "paused", *_COUNTS)} for queue in queues],
        "workers": [{key: getattr(worker, key) for key in worker_keys} for worker in workers],
    }


def _text(queues: list[QueueStatus], workers: list[WorkerStatus]) -> str:
    queue_rows = [
        [queue.name + (" (paused)" if queue.paused else ""), *(f"{getattr(queue, key):,}" for key in _COUNTS)]
        for queue in queues
    ]
    worker_rows = [
        [
            worker.name,
            str(worker.pid),
            str(worker.slots),
            str(worker.running),
            "alive" if worker.alive else "gone",
        ]
        for worker in workers
    ]
    return "\n\n".join(
        (
            table(["queue", *_COUNTS], queue_rows) if queue_rows else "no jobs yet",
            table(["worker", "pid", "slots", "running", ""], worker_rows) if worker_rows else "no workers",
        )
    )
