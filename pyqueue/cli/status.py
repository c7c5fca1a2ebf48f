"""``pyqueue status``: what the file says about queues and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue._core import Gates
from pyqueue.cli.file import add_options, existing
from pyqueue.cli.gates import gate_object, gates_table
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.times import iso, length
from pyqueue.cli.words import print_json

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Sequence
    from typing import Any, Final

    from pyqueue._core import Gate, QueueStatus, WorkerStatus

COUNTS: Final = (
    "waiting",
    "delayed",
    "parked",
    "prepared",
    "held",
    "running",
    "succeeded",
    "failed",
    "revoked",
    "retried",
    "lost",
)

WORKER: Final = (
    *("id", "name", "pid", "pool", "slots", "busy", "children", "least", "most", "running", "frames"),
    *("prefetch", "alive", "state", "why"),
)


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "status",
        "Shows every queue with its counts and the age of the oldest job in line, counted from its call, and every "
        "worker; needs no worker to answer.",
        ("pyqueue status", "pyqueue status --db jobs.db --json"),
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store = existing(arguments)
    queues, workers, gates, now_us = store.queues(), store.workers(), Gates(store).list(), store.now_us()
    if arguments.json:
        print_json(store.path, _object(queues, workers, gates, now_us))
    else:
        parts = [_queues(queues, now_us), *([gates_table(gates, now_us)] if gates else []), _workers(workers)]
        print(*parts, sep="\n\n")
    return 0


def totals(queues: list[QueueStatus]) -> dict[str, int]:
    """The counts of all queues together."""
    return {key: sum(getattr(queue, key) for queue in queues) for key in COUNTS}


def _age_us(queue: QueueStatus, now_us: int) -> int | None:
    # The clock may have been set back since.
    return None if queue.oldest_us is None else max(0, now_us - queue.oldest_us)


def _object(
    queues: list[QueueStatus], workers: list[WorkerStatus], gates: Sequence[Gate], now_us: int
) -> dict[str, Any]:
    return {
        "queues": [
            {
                **{key: getattr(queue, key) for key in ("name", "paused", *COUNTS)},
                "oldest": iso(queue.oldest_us),
                "oldest_age": None if (age := _age_us(queue, now_us)) is None else age / 1e6,
            }
            for queue in queues
        ],
        "totals": totals(queues),
        "gates": [gate_object(gate) for gate in gates],
        "workers": [
            {
                **{key: getattr(worker, key) for key in WORKER},
                "mean": None if worker.mean_us is None else worker.mean_us / 1e6,
            }
            for worker in workers
        ],
    }


def _queues(queues: list[QueueStatus], now_us: int) -> str:
    if not queues:
        return "no jobs yet"
    # These are rare, and without their columns a line fits into 80.
    shown = [
        key
        for key in COUNTS
        if key not in ("prepared", "held", "revoked") or any(getattr(queue, key) for queue in queues)
    ]
    rows = [
        _row(
            queue.name + (" (paused)" if queue.paused else ""),
            {key: getattr(queue, key) for key in shown},
            _age_us(queue, now_us),
        )
        for queue in queues
    ]
    if len(queues) > 1:
        ages = (_age_us(queue, now_us) for queue in queues)
        oldest = max((age for age in ages if age is not None), default=None)
        total = totals(queues)
        rows.append(_row("(all)", {key: total[key] for key in shown}, oldest))
    # "done" and not "succeeded", for the same reason.
    header = ["done" if key == "succeeded" else key for key in shown]
    return table(["queue", header[0], "oldest", *header[1:]], rows)


def _row(name: str, counts: dict[str, int], oldest_us: int | None) -> list[str]:
    waiting, *others = (f"{count:,}" for count in counts.values())
    return [name, waiting, "-" if oldest_us is None else length(oldest_us), *others]


def _workers(workers: list[WorkerStatus]) -> str:
    if not workers:
        return "no workers"
    rows = [
        [
            each.name,
            str(each.pid),
            each.pool or "-",
            _children(each),
            str(each.slots) if each.busy is None else f"{each.busy}/{each.slots}",
            str(each.running),
            _mode(each),
            each.state,
        ]
        for each in workers
    ]
    header = ["worker", "pid", "pool", "children", "slots", "running", "jobs", ""]
    return table(header, rows, left=(0, 2, 6, 7))


def _children(worker: WorkerStatus) -> str:
    if worker.children is None:
        return "-"
    follows = worker.least != worker.most
    return f"{worker.children} ({worker.least}-{worker.most})" if follows else str(worker.children)


def _mode(worker: WorkerStatus) -> str:
    """How jobs go to the slots, and how long they take at the moment."""
    if worker.mean_us is None:
        return "-"
    if worker.prefetch is not None:
        return f"{worker.prefetch} a slot"
    return f"frames, {length(worker.mean_us)}" if worker.frames else "single"
