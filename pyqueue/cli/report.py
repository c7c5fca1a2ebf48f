"""``pyqueue report``: what a bug report needs, without the names of hosts and users."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from pyqueue._core import Store, __version__, sqlite_version, usable_cpus
from pyqueue.cli import disk
from pyqueue.cli.file import NoFile, add_options, existing, named_if_any
from pyqueue.cli.parser import add_command
from pyqueue.cli.status import totals
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import QueueError
from pyqueue.redaction import masked_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "report",
        "Shows versions, kernel, file, disk and counts, for a bug report. Works without a file too.",
        ("pyqueue report", "pyqueue report --db jobs.db --json"),
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    path = named_if_any(arguments)
    told = {"versions": _versions(), "machine": _machine()}
    try:
        store = existing(arguments) if path is not None else None
        told |= {"counts": _counts(store)} if store is not None else {}
    except NoFile:
        told |= {"file": {"problem": "there is no such file"}}
    except QueueError as error:
        told |= {"file": {"problem": masked_text(str(error))}}
    if path is not None and os.path.exists(path):
        told["file"] = told.get("file", {}) | disk.facts(path)
    if arguments.json:
        print_json(None if path is None else masked_text(path), told)
    else:
        _print(path, told)
    return 0


def _versions() -> dict[str, Any]:
    return {
        "pyqueue": __version__,
        "sqlite": sqlite_version,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
    }


def _machine() -> dict[str, Any]:
    system = os.uname()
    return {
        "kernel": f"{system.sysname} {system.release} {system.machine}",
        "cpus": len(os.sched_getaffinity(0)),
        "usable_cpus": usable_cpus(),
        "encoding": sys.stdout.encoding,
    }


def _counts(store: Store) -> dict[str, Any]:
    queues, workers = store.queues(), store.workers()
    alive = [worker for worker in workers if worker.alive]
    return {
        "queues": len(queues),
        "paused_queues": sum(queue.paused for queue in queues),
        "workers_alive": len(alive),
        "workers_gone": len(workers) - len(alive),
        "slots": sum(worker.slots for worker in alive),
        "children": sum(worker.children or 0 for worker in alive),
        **totals(queues),
    }


def _print(path: str | None, told: dict[str, Any]) -> None:
    print("db:", plain(masked_text(path)) if path is not None else "none is named")
    for section, facts in told.items():
        print(f"\n{section}")
        width = max(map(len, facts))
        for name, value in facts.items():
            shown = f"{value:,}" if type(value) is int else plain(str(value))
            print(f"  {name.replace('_', ' ').ljust(width)}  {shown}")
