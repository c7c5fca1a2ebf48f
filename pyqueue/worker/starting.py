"""What a worker is started with, from the command line or inside another process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from pyqueue._core import Worker
from pyqueue.config import checked
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from pyqueue.app import PyQueue

POOLS: Final = ("prefork", "solo", "threads", "asyncio")
WIDE: Final = ("threads", "asyncio")
"""Those of one child, which runs all jobs."""

COROUTINES: Final = 100
"""Jobs at once on a loop, where nobody says how many."""
LEEWAY_US: Final = 1_000_000
"""After a hard limit, until a child is killed that can end the job alone: a loop cancels it."""

INSTEAD: Final = {
    "gevent": "for tasks that wait for others use asyncio, or threads with a larger -c",
    "eventlet": "for tasks that wait for others use asyncio, or threads with a larger -c",
    "processes": "prefork is the same",
}


class WorkerOptions(NamedTuple):
    """What the caller says. None leaves it to the config or to the machine."""

    target: str | None = None
    path: str | None = None
    concurrency: int | None = None
    queues: tuple[str, ...] | None = None
    name: str | None = None
    level: str | None = None
    pool: str | None = None
    grace: float | None = None
    burst: bool = False
    json_logs: bool = False
    reload: bool = False


class Plan(NamedTuple):
    """The same, decided."""

    name: str
    concurrency: int
    queues: tuple[str, ...] | None
    pool: str
    grace: float
    level: str
    burst: bool

    @property
    def children(self) -> int:
        """How many processes."""
        return 1 if self.pool in WIDE else self.concurrency

    @property
    def width(self) -> int:
        """How many jobs each runs at once."""
        return self.concurrency // self.children

    @property
    def at_once(self) -> str:
        """Both, for people."""
        if self.pool == "asyncio":
            return f"1 child with {self.width} jobs at once"
        if self.width > 1:
            return f"1 child with {self.width} threads"
        return "1 child" if self.children == 1 else f"{self.children} children"


def plan(app: PyQueue, options: WorkerOptions) -> Plan:
    """Options over config over machine. Raises ImproperlyConfigured where no worker can be had."""
    known = app.config
    if app.in_place is not None:
        raise ImproperlyConfigured(
            "jobs of this app run where they are made (task_always_eager or testing()), so a worker would never "
            "get one; turn that off to use a worker"
        )
    folder = os.path.dirname(app.path)
    if not os.path.isdir(folder):
        raise ImproperlyConfigured(f"the folder of the queue file does not exist: {folder}; make it first")
    pool = options.pool or known.pool
    if pool not in POOLS:
        raise ImproperlyConfigured(
            f"there is no pool {pool!r}, only prefork (child processes), solo (one of them), threads and asyncio "
            f"(of one child); {INSTEAD.get(pool, 'prefork is the default')}"
        )
    return Plan(
        name=options.name or f"{os.getpid()}@{os.uname().nodename}",
        concurrency=1
        if pool == "solo"
        else options.concurrency
        or known.concurrency
        or (COROUTINES if pool == "asyncio" else len(os.sched_getaffinity(0))),
        queues=options.queues or known.queues,
        pool=pool,
        grace=known.grace if options.grace is None else checked("grace", options.grace, "grace"),
        level=options.level or known.loglevel,
        burst=options.burst,
    )


def start(app: PyQueue, target: str, plan: Plan, log_level: str) -> Worker:
    """The supervisor, running."""
    return Worker(
        app.store,
        # -P: a file of the current directory must not stand in for a module of the standard library.
        [
            *(sys.executable, "-P", "-m", "pyqueue.worker.child"),
            *(target, app.path, log_level, plan.name, plan.pool, str(plan.width)),
        ],
        name=plan.name,
        concurrency=plan.children,
        width=plan.width,
        queues=plan.queues,
        tasks=sorted(app.tasks),
        visibility_us=round(app.visibility_timeout * 1e6),
        grace_us=round(plan.grace * 1e6),
        burst=plan.burst,
        start_us=round(app.config.start_timeout * 1e6),
        leeway_us=LEEWAY_US if plan.pool == "asyncio" else 0,
    )
