"""``pyqueue purge``: cancels every job of a queue that is in line."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import add_options, note, whole
from pyqueue.cli.parser import add_command
from pyqueue.cli.selection import act, add_where, agreed, said, selection
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import ImproperlyConfigured, QueueError
from pyqueue.where import Condition, Where, exactly

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Final

    from pyqueue._core import Store

PROGRESS: Final = 0.2
"""Seconds between two lines of progress, and until the first."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "purge",
        "Cancels every job of a queue, or every one that fits a filter, that is waiting, delayed, parked, prepared or held; "
        "running ones go on.",
        (
            "pyqueue purge mail",
            "pyqueue purge mail --force",
            "pyqueue purge --where 'queue=mail age>1h' --force",
        ),
    )
    parser.add_argument("queue", nargs="?", metavar="QUEUE", help="the queue")
    add_where(parser)
    parser.add_argument("--force", action="store_true", help="don't ask; needed where no terminal is")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    if (arguments.queue is None) == (arguments.where is None):
        raise ImproperlyConfigured("say which jobs, either by a queue or by --where")
    if not (arguments.force or arguments.dry_run) and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ImproperlyConfigured("purge asks first, and there is no terminal here: use --force")
    store = whole(arguments)
    if arguments.where is not None:
        return _fitting(store, arguments)
    store.fold()
    jobs = _in_line(store, arguments.queue)
    if jobs is not None and arguments.dry_run:
        return _fitting(store, arguments)
    if jobs is None:
        note(f"{store.path} has no queue {arguments.queue!r}; see pyqueue status")
        return EXIT_NOTHING
    if not arguments.force and not agreed(f"Cancel {_all(jobs)} of queue {plain(arguments.queue)}?"):
        note("nothing was cancelled")
        return EXIT_FAILED
    with _Progress(store, arguments.queue):
        purged = store.purge(arguments.queue)
    if arguments.json:
        print_json(store.path, {"queue": arguments.queue, "cancelled": purged})
    else:
        print(f"{purged:,} cancelled")
    return EXIT_DONE


def _in_line(store: Store, name: str) -> int | None:
    queue = next((each for each in store.queues() if each.name == name), None)
    return (
        None if queue is None else queue.waiting + queue.delayed + queue.parked + queue.prepared + queue.held
    )


def _fitting(store: Store, arguments: Namespace) -> int:
    meant = (
        (Condition("queue", "=", exactly(arguments.queue)),)
        if arguments.where is None
        else said(arguments.where).conditions
    )
    # What runs goes on, and is none of those that were meant.
    which = Where((*meant, Condition("state", "!=", "running")))
    jobs = selection(store, which).count() if not (arguments.force or arguments.dry_run) else 0
    if jobs and not agreed(f"Cancel {_all(jobs)} that fit?"):
        note("nothing was cancelled")
        return EXIT_FAILED
    return act(store, arguments, "cancelled", lambda chosen: chosen.cancel(), which=which)


def _all(jobs: int) -> str:
    return "the only job" if jobs == 1 else f"all {jobs:,} jobs"


class _Progress:
    """Says on a terminal what is left, while the main thread works and answers Ctrl-C."""

    def __init__(self, store: Store, queue: str) -> None:
        self._store = store
        self._queue = queue
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _tell(self) -> None:
        told = False
        while not self._done.wait(PROGRESS):
            try:
                left = _in_line(self._store, self._queue)
            except QueueError:
                continue
            print(f"\r{left or 0:,} left\x1b[K", end="", file=sys.stderr, flush=True)
            told = True
        if told:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
