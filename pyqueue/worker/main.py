"""A worker: one supervisor in the core, its events in the log, its signals from here."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Final, NamedTuple

from pyqueue import loading, signals
from pyqueue._core import Worker
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.worker.log import set_up

if TYPE_CHECKING:
    from pyqueue._core import Event
    from pyqueue.app import PyQueue

log = logging.getLogger("pyqueue.worker")

EXIT_WARM: Final = 0
EXIT_COLD: Final = 1

_LEVELS: Final = {
    "child_lost": logging.WARNING,
    "job_lost": logging.WARNING,
    "lease_lost": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class WorkerOptions(NamedTuple):
    """What the command line says. None leaves it to the app or to the machine."""

    target: str | None = None
    path: str | None = None
    concurrency: int | None = None
    queues: tuple[str, ...] | None = None
    name: str | None = None
    level: str = "info"
    burst: bool = False


def run(options: WorkerOptions) -> int:
    """Works until it is told to stop; the exit code."""
    app, target = loading.find(options.target)
    if options.path is not None:
        app.use(options.path)
    _require_folder(app.path)
    name = options.name or f"{os.getpid()}@{os.uname().nodename}"
    signals.worker_init.send(name)
    set_up(options.level)
    concurrency = options.concurrency or len(os.sched_getaffinity(0))
    worker = Worker(
        app.store,
        # -P: a file of the current directory must not stand in for a module of the standard library.
        [sys.executable, "-P", "-m", "pyqueue.worker.child", target, app.path, options.level, name],
        name=name,
        concurrency=concurrency,
        queues=options.queues,
        tasks=sorted(app.tasks),
        visibility_us=round(app.visibility_timeout * 1e6),
        burst=options.burst,
    )
    stop = _Stop(worker, name)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    failed = False
    while (event := worker.next_event()) is not None:
        failed = failed or event.kind == "error"
        if event.kind == "ready":
            _say_ready(app, options, name, concurrency)
            signals.worker_ready.send(name)
        else:
            _log(event)
    signals.worker_shutdown.send(name)
    return EXIT_COLD if stop.cold or failed else EXIT_WARM


class _Stop:
    """The first signal lets running jobs finish, the second kills them."""

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker = worker
        self._name = name
        self._signals = 0

    @property
    def cold(self) -> bool:
        return self._signals > 1

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._worker.stop(cold=self.cold)
        signals.worker_shutting_down.send(
            self._name,
            sig=signal.Signals(number).name,
            how="Cold" if self.cold else "Warm",
            exitcode=EXIT_COLD if self.cold else EXIT_WARM,
        )


def _require_folder(path: str) -> None:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ImproperlyConfigured(f"the folder of the queue file does not exist: {folder}; make it first")


def _say_ready(app: PyQueue, options: WorkerOptions, name: str, concurrency: int) -> None:
    queues = f"queues {', '.join(options.queues)}" if options.queues else "all queues"
    children = "1 child" if concurrency == 1 else f"{concurrency} children"
    tasks = "1 task" if len(app.tasks) == 1 else f"{len(app.tasks)} tasks"
    sys.stdout.write(f"worker {name} ready: {app.path}, {queues}, {children}, {tasks}\n")
    sys.stdout.flush()


def _log(event: Event) -> None:
    where = "".join(
        f" ({label} {value})"
        for label, value in (("job", event.job), ("pid", event.pid))
        if value is not None
    )
    log.log(_LEVELS.get(event.kind, logging.INFO), "%s: %s%s", event.kind, event.text, where)
