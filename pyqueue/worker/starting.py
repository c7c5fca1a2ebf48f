"""What a worker is started with, from the command line or inside another process."""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from pyqueue._core import Worker, usable_cpus
from pyqueue.config import Config, checked
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.own_tasks import NAMES
from pyqueue.worker.crew import Crew
from pyqueue.worker.describing import encoded, facts_of
from pyqueue.worker.reserved import Served, served

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


DESCRIPTORS: Final = 128
"""Of a worker besides two for each child: files, bells and other workers; and of a child, whose pipe lies high."""


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
    autoscale: tuple[int, int] | None = None
    prefetch: int | None = None
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    memory_limit: int | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    beat: bool = True


class Part(NamedTuple):
    """What one supervisor of a worker has."""

    name: str
    queues: tuple[str, ...] | None
    slots: int


class Plan(NamedTuple):
    """The same, decided."""

    name: str
    concurrency: int
    least: int | None
    served: Served
    pool: str
    grace: float
    level: str
    burst: bool
    prefetch: int | None
    max_tasks_per_child: int | None
    max_memory_per_child: int | None
    memory_limit: int | None
    time_limit: float | None
    soft_time_limit: float | None

    @property
    def queues(self) -> tuple[str, ...] | None:
        """What it serves; None is every queue."""
        return self.served.queues

    @property
    def children(self) -> int:
        """How many processes."""
        return len(self.parts) if self.pool in WIDE else self.concurrency

    @property
    def parts(self) -> list[Part]:
        """One for all queues, and one for each that has slots of its own."""
        shared = self.served.shared(self.concurrency)
        whole = [Part(self.name, self.queues, shared)] if shared else []
        own = self.served.slots.items()
        return whole + [Part(f"{self.name}/{queue}", (queue,), slots) for queue, slots in own]

    @property
    def at_once(self) -> str:
        """Both, for people."""
        if self.pool in WIDE:
            what = "threads" if self.pool == "threads" else "jobs at once"
            return f"{_children_of(self.children)} with {self.concurrency} {what}"
        if self.least is not None:
            return f"{self.least} to {self.children} children"
        return _children_of(self.children)


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
    serves = served(options.queues or known.queues)
    concurrency, least = _children(options, known, pool, serves)
    serves.shared(concurrency)
    if options.burst and serves.slots:
        raise ImproperlyConfigured(
            "--burst can't be had with slots of a queue's own: name the queue without a number"
        )
    return Plan(
        name=options.name or f"{os.getpid()}@{os.uname().nodename}",
        concurrency=concurrency,
        least=least,
        served=serves,
        pool=pool,
        grace=known.grace if options.grace is None else checked("grace", options.grace, "grace"),
        level=options.level or known.loglevel,
        burst=options.burst,
        prefetch=_either(options.prefetch, known.prefetch) or None,
        max_tasks_per_child=_either(options.max_tasks_per_child, known.max_tasks_per_child),
        max_memory_per_child=_either(options.max_memory_per_child, known.max_memory_per_child),
        memory_limit=_either(options.memory_limit, known.memory_limit),
        time_limit=options.time_limit,
        soft_time_limit=options.soft_time_limit,
    )


def _us(seconds: float | None) -> int | None:
    # A limit of zero would be one that has passed.
    return None if seconds is None else max(1, round(seconds * 1e6))


def _children_of(number: int) -> str:
    return "1 child" if number == 1 else f"{number} children"


def _children(options: WorkerOptions, known: Config, pool: str, serves: Served) -> tuple[int, int | None]:
    """How many jobs at once; and the least, where that follows the load."""
    if options.autoscale is not None:
        if options.concurrency is not None:
            raise ImproperlyConfigured("say either --autoscale MAX,MIN or -c, which is a fixed number")
        if pool != "prefork":
            raise ImproperlyConfigured(f"--autoscale is for the pool prefork; with {pool} say -c")
    scaled = options.autoscale or known.autoscale
    if scaled is not None and options.concurrency is None and pool == "prefork":
        # What a queue has for itself comes on top: that does not follow the load.
        return scaled[0] + serves.reserved, scaled[1]
    least = serves.reserved + serves.open
    if pool == "solo":
        return 1, None
    usual = COROUTINES if pool == "asyncio" else usable_cpus()
    return options.concurrency or known.concurrency or max(least, usual), None


def _either(said: int | None, known: int | None) -> int | None:
    return known if said is None else said


def start(app: PyQueue, target: str, plan: Plan, log_level: str) -> Crew:
    """The supervisors, running."""
    see_to_descriptors(plan.children)
    started: list[Worker] = []
    facts = facts_of(app, target, plan)
    said = encoded(facts)
    try:
        for part in plan.parts:
            started.append(_start(app, target, plan, log_level, part, facts=said))
    except BaseException:
        for worker in started:
            worker.stop(cold=True)
        raise
    return Crew(started, facts, shared=plan.parts[0].name == plan.name)


def see_to_descriptors(children: int) -> None:
    """Raises the limit for open files as far as the worker needs and may. Raises ImproperlyConfigured if it may not."""
    needed = DESCRIPTORS + 2 * children
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ImproperlyConfigured(
            f"{hard} open files are allowed, and a worker with {_children_of(children)} needs {needed}: raise "
            f"ulimit -n, or have fewer children"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _start(app: PyQueue, target: str, plan: Plan, log_level: str, part: Part, *, facts: bytes) -> Worker:
    width = part.slots if plan.pool in WIDE else 1
    children = part.slots // width
    return Worker(
        app.store,
        # -P: a file of the current directory must not stand in for a module of the standard library.
        [
            *(sys.executable, "-P", "-m", "pyqueue.worker.child"),
            *(target, app.path, log_level, plan.name, plan.pool, str(width)),
        ],
        name=part.name,
        facts=facts,
        concurrency=children,
        beside=plan.children - children,
        least=plan.least if part.name == plan.name else None,
        width=width,
        queues=part.queues,
        tasks=[*sorted(app.tasks), *NAMES] if len(app.tasks) else [],
        visibility_us=round(app.visibility_timeout * 1e6),
        grace_us=round(plan.grace * 1e6),
        burst=plan.burst,
        start_us=round(app.config.start_timeout * 1e6),
        stall_us=round(app.config.stall_timeout * 1e6),
        leeway_us=LEEWAY_US if plan.pool == "asyncio" else 0,
        pool=plan.pool,
        prefetch=plan.prefetch,
        max_tasks=plan.max_tasks_per_child,
        max_memory=plan.max_memory_per_child,
        memory_limit=plan.memory_limit,
        time_limit_us=_us(plan.time_limit),
        soft_time_limit_us=_us(plan.soft_time_limit),
    )
