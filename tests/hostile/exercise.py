"""A program: uses damaged files in every way there is, and says a line of each.

``python exercise.py FOLDER SEED FIRST LAST``; each line is one JSON object with the number of the file and what
became of it: ``fine``, ``refused`` or ``troubled``, or ``wrong`` with a reason.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile.damage import Damaged, damaged
from hostile.good_file import Good, good

from pyqueue import PyQueue
from pyqueue._core import Commands, Failure, Gates, Job, NewJob, Outcome, QueueError, Store
from pyqueue.answers import value_of
from pyqueue.cli.asked import ask

MEMORY = 2 << 30
"""Bytes of address space. A sound file takes a fraction."""


class Wrong(Exception):
    """Something that must not be."""


def write(path: Path, content: bytes) -> None:
    """In place, so that the process needs no new descriptor: those of a database are never closed."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(0)
        file.write(content)


def ours(id: str) -> bool:
    """Whether the core made this public id."""
    with suppress(ValueError):
        return UUID(id).version == 8
    return False


class Use:
    """Everything the border and the face offer, on one file. Our exceptions are answers; any other is wrong."""

    def __init__(self, path: Path, origin: Good) -> None:
        self.path, self.origin = path, origin
        self.app = PyQueue(path, durability="normal")
        self.store: Store = self.app.store
        self.troubles = 0
        self.began_us = time.time_ns() // 1_000

    def attempt(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except QueueError:
            self.troubles += 1
            return None

    def opens(self) -> bool:
        try:
            self.store.queues()
        except QueueError:
            return False
        return True

    def look(self) -> None:
        store, attempt = self.store, self.attempt
        for id in self.origin.ids:
            view = attempt(store.view, id)
            if view is not None and view.body is not None and view.body not in self.origin.results:
                raise Wrong(f"a damaged result was given out: {view.body!r:.100}")
        attempt(store.workers)
        for state in (
            None,
            "waiting",
            "delayed",
            "parked",
            "prepared",
            "running",
            "retrying",
            "success",
            "failed",
            "dead",
        ):
            attempt(lambda state=state: store.jobs(state=state))
        for command in attempt(lambda: Commands(store).newest(50, asking=True)) or ():
            for reply in command.replies:
                attempt(value_of, reply)
        attempt(lambda: store.jobs(queue="q1", task="t.a", limit=10**6))
        for id in self.origin.ids[:: len(self.origin.ids) // 20] + self.origin.ids[-2:]:
            attempt(ask, store, id)
            found = self.app.AsyncResult(id)
            for name in ("state", "result", "children", "traceback", "retries"):
                attempt(getattr, found, name)

    def act(self) -> None:
        store, attempt = self.store, self.attempt
        attempt(lambda: store.enqueue([NewJob("t.a", b"{}", dedup_key="key-1", queue="default")]))
        attempt(lambda: store.enqueue([NewJob("t.b", b"{}", queue="new", delay_us=1)]))
        for id in self.origin.ids[::40]:
            attempt(store.cancel, id)
            attempt(store.replay, id)
            attempt(store.forget, id)
        attempt(lambda: Gates(store).resume(task="t.paused"))
        attempt(lambda: Gates(store).resume(queue="q2"))
        worker = attempt(lambda: store.join("w", 2, 30_000_000))
        if worker is not None:
            self.drain(worker)
            self.obey(worker)
            attempt(lambda: store.beat(worker, 1))
        attempt(store.reap)
        attempt(lambda: store.purge("q0"))
        attempt(store.queues)
        attempt(store.close)

    def obey(self, worker: int) -> None:
        commands, attempt = Commands(self.store), self.attempt
        attempt(commands.workers)
        attempt(commands.obey, worker, "w")
        attempt(
            lambda: commands.give("ping", b"{}", [worker], target="all", author="me", expires_us=60_000_000)
        )
        for order in attempt(commands.open, worker) or ():
            if attempt(commands.begin, order.id, worker) is False:
                raise Wrong("a command that is open can't be begun")
            attempt(commands.answer, order.id, worker, True, b"{}")

    def drain(self, worker: int) -> None:
        failure = Failure("builtins.ValueError", "no")
        for turn in range(12):
            jobs = self.attempt(lambda: self.store.claim(worker, 64))
            if not jobs:
                return
            self.judge(jobs)
            ends = [
                Outcome.success(b"{}"),
                Outcome.failure(failure),
                Outcome.retry(0, failure),
                Outcome.given_back(),
            ]
            # A job that comes again must not do so for ever.
            kinds = 2 if turn > 4 else 4
            self.attempt(self.store.extend, jobs[0], 1_000_000)
            self.attempt(self.store.progress, jobs[0], "X", b"{}")
            self.attempt(self.store.finish, [(job, ends[n % kinds]) for n, job in enumerate(jobs)])

    def judge(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.body not in self.origin.bodies and job.body != b"{}" and not self.was_in_inbox(job):
                raise Wrong(f"a damaged payload was handed out: {job.body!r:.100}")

    def was_in_inbox(self, job: Job) -> bool:
        """A row of the inbox has no checksum: whoever wrote it makes none. It becomes a job here, under its own id,
        or what the damage made of it; all other jobs are older than ``began_us`` or have an id of ours."""
        return job.enqueued_us >= self.began_us and not ours(job.id)


def exercise(path: Path, origin: Good, harm: Damaged) -> dict[str, str]:
    log = path.with_name(path.name + "-wal")
    write(path, harm.db)
    log.unlink(missing_ok=True)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    if harm.wal:
        log.write_bytes(harm.wal)
    use, became = Use(path, origin), "refused"
    try:
        if use.opens():
            use.look()
            use.act()
            became = "troubled" if use.troubles else "fine"
        else:
            use.store.close()
            if path.read_bytes() != harm.db or (log.read_bytes() if log.exists() else b"") != harm.wal:
                raise Wrong("a refused file was changed")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return {"became": "wrong", "what": harm.what, "why": f"{type(error).__name__}: {error}"}
    return {"became": became}


def main(folder: str, seed: str, first: str, last: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    files = [good(wal=False), good(wal=True)]
    for number in range(int(first), int(last)):
        origin, path = files[number % 2], Path(folder) / f"{number % 2}.db"
        became = exercise(path, origin, damaged(origin, int(seed) + number))
        print(json.dumps({"number": int(seed) + number, **became}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
