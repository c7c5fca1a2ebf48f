"""Every call of the border that reads or writes the file, on a file with jobs in every state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pyqueue._core import Failure, Gates, Job, NewJob, Outcome, Store

HOUR_US: Final = 3_600_000_000


class Scene(NamedTuple):
    """An open store and what a call is about."""

    store: Store
    worker: int
    held: list[Job]
    """Under a lease of the worker."""
    waiting: str
    failed: str


def _job(task: str, **options: Any) -> NewJob:
    return NewJob(task, b"[]", **options)


def prepare(path: str) -> None:
    """Fills a new file: 30 jobs in line, 5 delayed, 5 parked, 3 succeeded, 1 failed."""
    store = Store(path, durability="full")
    worker = store.join("w", 1, HOUR_US)
    store.enqueue([_job("done") for _ in range(3)] + [_job("bad")])
    ends = [
        (job, Outcome.failure(Failure("E", "no")) if job.task == "bad" else Outcome.success(b"1"))
        for job in store.claim(worker, 4)
    ]
    store.finish(ends)
    Gates(store).pause(task="held")
    store.enqueue([_job("held") for _ in range(5)])
    store.claim(worker, 1)
    store.enqueue([_job("later", delay_us=HOUR_US) for _ in range(5)])
    store.enqueue([_job("ready", dedup_key=f"k{n}" if n % 3 == 0 else None) for n in range(30)])
    store.part(worker)
    store.close()


def scene(path: str) -> Scene:
    """Opens a prepared file and claims ten jobs."""
    store = Store(path, durability="full")
    worker = store.join("w", 1, HOUR_US)
    held = store.claim(worker, 10)
    waiting = store.jobs(state="waiting", limit=1)[0].id
    failed = store.jobs(state="failed", limit=1)[0].id
    return Scene(store, worker, held, waiting, failed)


def _end(outcome: Callable[[], Outcome]) -> Callable[[Scene], object]:
    return lambda at: at.store.finish([(job, outcome()) for job in at.held])


CALLS: Final[dict[str, Callable[[Scene], object]]] = {
    "enqueue one": lambda at: at.store.enqueue([_job("new")]),
    "enqueue many": lambda at: at.store.enqueue([_job("new", priority=n % 3) for n in range(200)]),
    "enqueue delayed": lambda at: at.store.enqueue([_job("new", delay_us=HOUR_US, task_id="mine")]),
    "enqueue with a taken key": lambda at: at.store.enqueue([_job("new", dedup_key="k27")]),
    "claim": lambda at: at.store.claim(at.worker, 10),
    "succeed": _end(lambda: Outcome.success(b"x" * 5000)),
    "fail": _end(lambda: Outcome.failure(Failure("E", "no", "traceback"))),
    "retry": _end(lambda: Outcome.retry(HOUR_US, Failure("E", "again"))),
    "extend": lambda at: at.store.extend(at.held[3], HOUR_US),
    "progress": lambda at: at.store.progress(at.held[3], "HALF", b"{}"),
    "beat": lambda at: at.store.beat(at.worker, HOUR_US),
    "part": lambda at: at.store.part(at.worker),
    "cancel": lambda at: at.store.cancel(at.waiting),
    "purge": lambda at: at.store.purge("default"),
    "pause": lambda at: Gates(at.store).pause(task="ready"),
    "resume": lambda at: Gates(at.store).resume(task="held"),
    "forget": lambda at: at.store.forget(at.failed),
    "replay": lambda at: at.store.replay(at.failed),
    "view": lambda at: at.store.view(at.failed).state,
    "list": lambda at: len(at.store.jobs(limit=50)),
    "status": lambda at: len(at.store.queues()) + len(at.store.workers()),
    "open": lambda at: Store(at.store.path).queues(),
}


def summary(store: Store) -> object:
    """What the file says, without ids: half a call would show."""
    jobs = Counter((job.task, job.state, job.attempts, job.priority) for job in store.jobs(limit=1000))
    queues = [
        (
            each.name,
            each.waiting,
            each.delayed,
            each.parked,
            each.running,
            each.succeeded,
            each.failed,
            each.revoked,
            each.retried,
        )
        for each in store.queues()
    ]
    return sorted(jobs.items()), queues, [(each.slots, each.running) for each in store.workers()]
