"""``pyqueue purge``: cancels every job of a queue that is in line."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import ImproperlyConfigured, QueueError

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
        "Cancels every job of a queue that is waiting, delayed, parked, prepared or held; running ones go on.",
        ("pyqueue purge mail", "pyqueue purge mail --force"),
    )
    parser.add_argument("queue", metavar="QUEUE", help="the queue")
    parser.add_argument("--force", action="store_true", help="don't ask; needed where no terminal is")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    if not arguments.force and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ImproperlyConfigured("purge asks first, and there is no terminal here: use --force")
    store = existing(arguments)
    jobs = _in_line(store, arguments.queue)
    if jobs is None:
        note(f"{store.path} has no queue {arguments.queue!r}; see pyqueue status")
        return EXIT_NOTHING
    if not arguments.force and not _agreed(jobs, arguments.queue):
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


def _agreed(jobs: int, queue: str) -> bool:
    what = "the only job" if jobs == 1 else f"all {jobs:,} jobs"
    # The question is not the answer: that goes to standard output.
    print(f"Cancel {what} of queue {plain(queue)}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


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
