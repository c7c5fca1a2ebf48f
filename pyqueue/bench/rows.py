"""The table of what is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from pyqueue.bench import (
    backlog,
    beside_long,
    commanding,
    crowd,
    depth,
    enqueueing,
    floors,
    idle,
    latency,
    life,
    looking,
    starting,
    transactional,
    workflows,
)
from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place


class Row(NamedTuple):
    """One measure: its name, what it says in a few words, the file's durability, and who measures it."""

    name: str
    title: str
    durability: str
    measure: Callable[[Place], Figures]
    shown: tuple[str, ...] = ("rate",)
    """The figures worth a line; the others stand beside them in the JSON."""
    long: bool = False
    """Over a million jobs, or minutes: not in a quick run."""
    once: bool = False
    """Long, or a figure that hardly moves: one round of a run is enough."""


_LATENCY: Final = ("p50_ms", "p99_ms")

ROWS: Final = (
    Row("sync", "floor: 4 KiB append + fdatasync", "normal", floors.synced_appends),
    Row("drain-normal", "no-op tasks from a backlog, 2 children", "normal", backlog.drain),
    Row("drain-full", "no-op tasks from a backlog, 2 children", "full", backlog.drain),
    Row("threads", "the same by one child with 2 threads", "normal", backlog.drain_by_threads),
    Row("one-by-one", "claim of 1, finish of 1, no child", "normal", backlog.one_by_one),
    Row("transactional-normal", "tasks that end in their own commit", "normal", transactional.transactional),
    Row("transactional-full", "tasks that end in their own commit", "full", transactional.transactional),
    Row("mixed", "4 processes delay(), 2 children", "normal", crowd.mixed, ("rate", "p99_ms")),
    Row(
        "beside-long", "a 2 s task among 100,000 short", "normal", beside_long.long_among_short, ("free_ms",)
    ),
    Row("chord", "a chord of 10,000 beside 10,001 alone", "normal", workflows.chord_beside_plain, ("ratio",)),
    Row("chain", "steps of a chain of 1,000", "normal", workflows.chain_steps),
    Row("group", "a group of 100,000 is made", "normal", workflows.large_group, ("seconds", "memory_mb")),
    Row("delay-normal", "delay() one by one", "normal", enqueueing.delay),
    Row("delay-full", "delay() one by one", "full", enqueueing.delay),
    Row("delay-threads", "delay() from 16 threads", "full", enqueueing.delay_from_threads),
    Row("many", "enqueue_many of 1,000", "normal", enqueueing.enqueue_many),
    Row("pickup", "idle pickup, from before delay() to the task", "normal", latency.pickup, _LATENCY),
    Row("round-trip", "delay().get()", "normal", latency.round_trip, _LATENCY),
    Row(
        "control",
        "a command's answer beside 20,000 busy jobs",
        "full",
        commanding.answers_under_load,
        ("p50_ms", "p99_ms", "changing_p50_ms", "changing_p99_ms"),
    ),
    Row("idle", "a worker with 2 idle children", "normal", idle.idle, ("cpu_percent", "pss_mb")),
    Row("empty", "rate with nothing else in line", "normal", depth.nothing_else),
    Row(
        "waiting-1m",
        "with 1,000,000 waiting",
        "normal",
        depth.million_waiting,
        ("rate", "file_bytes_a_job"),
    ),
    Row(
        "waiting-10m",
        "with 10,000,000 waiting",
        "normal",
        depth.ten_million_waiting,
        ("rate", "file_bytes_a_job"),
        long=True,
        once=True,
    ),
    Row("delayed-1m", "with 1,000,000 delayed", "normal", depth.million_delayed),
    Row("paused-1m", "behind 1,000,000 paused", "normal", depth.million_paused, ("rate", "aside_s")),
    Row("inspect", "inspect with 1,000,000 jobs", "normal", looking.inspect, _LATENCY),
    Row("writers", "8 processes delay()", "normal", crowd.writers, ("p99.9_ms", "least_to_most")),
    Row(
        "life",
        "10,000,000 jobs through, 10,000 kept",
        "normal",
        life.ten_million_through,
        ("file_to_live", "wal_mb"),
        long=True,
        once=True,
    ),
    Row(
        "starting",
        "import pyqueue, pyqueue status",
        "normal",
        starting.starting,
        ("import_to_bare", "status_cpu_s"),
        once=True,
    ),
    Row("catalogue", "pyqueue demo catalog", "full", starting.catalogue, ("seconds",), once=True),
)
