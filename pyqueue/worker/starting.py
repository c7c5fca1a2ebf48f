"""What a worker is started with, from the command line or inside another process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from pyqueue._core import Worker, usable_cpus
from pyqueue.config import Config, checked
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from pyqueue.app import PyQueue

POOLS: Final = ("prefork", "solo", "threads")

INSTEAD: Final = {
    "gevent": "for tasks that wait for others use threads with a larger -c",
    "eventlet": "for tasks that wait for others use threads with a larger -c",
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
    autoscale: tuple[int, int] | None = None
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    memory_limit: int | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None


class Plan(NamedTuple):
    """The same, decided."""

    name: str
    concurrency: int
    least: int | None
    queues: tuple[str, ...] | None
    pool: str
    grace: float
    level: str
    burst: bool
    max_tasks_per_child: int | None
    max_memory_per_child: int | None
    memory_limit: int | None
    time_limit: float | None
    soft_time_limit: float | None

    @property
    def children(self) -> int:
        """How many processes."""
        return 1 if self.pool == "threads" else self.concurrency

    @property
    def width(self) -> int:
        """How many jobs each runs at once."""
        return self.concurrency // self.children

    @property
    def at_once(self) -> str:
        """Both, for people."""
        if self.width > 1:
            return f"1 child with {self.width} threads"
        if self.least is not None:
            return f"{self.least} to {self.children} children"
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
            f"there is no pool {pool!r}, only prefork (child processes), solo (one of them) and threads (of one "
            f"child); {INSTEAD.get(pool, 'prefork is the default')}"
        )
    concurrency, least = _children(options, known, pool)
    return Plan(
        name=options.name or f"{os.getpid()}@{os.uname().nodename}",
        concurrency=concurrency,
        least=least,
        queues=options.queues or known.queues,
        pool=pool,
        grace=known.grace if options.grace is None else checked("grace", options.grace, "grace"),
        level=options.level or known.loglevel,
        burst=options.burst,
        max_tasks_per_child=_either(options.max_tasks_per_child, known.max_tasks_per_child),
        max_memory_per_child=_either(options.max_memory_per_child, known.max_memory_per_child),
        memory_limit=_either(options.memory_limit, known.memory_limit),
        time_limit=options.time_limit,
        soft_time_limit=options.soft_time_limit,
    )


def _us(seconds: float | None) -> int | None:
    # A limit of zero would be one that has passed.
    return None if seconds is None else max(1, round(seconds * 1e6))


def _children(options: WorkerOptions, known: Config, pool: str) -> tuple[int, int | None]:
    """How many jobs at once; and the least, where that follows the load."""
    if options.autoscale is not None:
        if options.concurrency is not None:
            raise ImproperlyConfigured("say either --autoscale MAX,MIN or -c, which is a fixed number")
        if pool != "prefork":
            raise ImproperlyConfigured(f"--autoscale is for the pool prefork; with {pool} say -c")
    scaled = options.autoscale or known.autoscale
    if scaled is not None and options.concurrency is None and pool == "prefork":
        return scaled
    return 1 if pool == "solo" else options.concurrency or known.concurrency or usable_cpus(), None


def _either(said: int | None, known: int | None) -> int | None:
    return known if said is None else said


def start(app: PyQueue, target: str, plan: Plan, log_level: str) -> Worker:
    """The supervisor, running."""
    return Worker(
        app.store,
        # -P: a file of the current directory must not stand in for a module of the standard library.
        [
            *(sys.executable, "-P", "-m", "pyqueue.worker.child"),
            *(target, app.path, log_level, plan.name, str(plan.width)),
        ],
        name=plan.name,
        concurrency=plan.children,
        least=plan.least,
        width=plan.width,
        queues=plan.queues,
        tasks=sorted(app.tasks),
        visibility_us=round(app.visibility_timeout * 1e6),
        grace_us=round(plan.grace * 1e6),
        burst=plan.burst,
        max_tasks=plan.max_tasks_per_child,
        max_memory=plan.max_memory_per_child,
        memory_limit=plan.memory_limit,
        time_limit_us=_us(plan.time_limit),
        soft_time_limit_us=_us(plan.soft_time_limit),
    )
