"""A good file with a row of every kind, as bytes, and what its jobs were asked to do."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from pyqueue._core import Commands, Failure, Gates, Job, NewJob, Outcome, Store

LEASE_US = 3_600_000_000


class Good(NamedTuple):
    """The file as it lies on the disk: without its -shm, which is made anew."""

    db: bytes
    wal: bytes
    ids: tuple[str, ...]
    bodies: frozenset[bytes]
    results: frozenset[bytes]


def body(number: int, size: int = 0) -> bytes:
    return b'{"v":1,"args":[%d,"%s"],"kwargs":{}}' % (number, b"x" * size)


def result(number: int) -> bytes:
    return b'{"v":1,"result":%d}' % number


def jobs() -> list[NewJob]:
    """Of several queues and priorities, some with values that fill pages of their own."""
    plain = [NewJob("t.a", body(n, 40), queue=f"q{n % 3}", priority=n % 5 - 2) for n in range(150)]
    return [
        *plain,
        *(NewJob("t.later", body(1000 + n), delay_us=LEASE_US) for n in range(10)),
        *(NewJob("t.named", body(1100 + n), task_id=f"name-{n}") for n in range(5)),
        *(NewJob("t.once", body(1200 + n), dedup_key=f"key-{n}", expires_us=LEASE_US) for n in range(5)),
        NewJob("t.large", body(1300, 20_000)),
        *(NewJob("t.paused", body(1400 + n)) for n in range(5)),
        *(NewJob("t.unknown", body(1500 + n)) for n in range(5)),
    ]


def work(store: Store, claimed: list[Job]) -> None:
    """Ends jobs in every way, and leaves some under their lease."""
    failure = Failure("builtins.ValueError", "no", "Traceback ...", b'{"v":1,"args":["no"],"attributes":{}}')
    broken = Failure("pyqueue.exceptions.DecodeError", "broken")
    ways = [
        lambda n: Outcome.success(result(n), "application/json"),
        lambda n: Outcome.failure(failure),
        lambda n: Outcome.retry(LEASE_US, failure),
        lambda n: Outcome.retry(0, failure),
        lambda n: Outcome.lost("it was killed"),
        lambda n: Outcome.failure(broken),
        lambda n: Outcome.given_back(),
    ]
    store.finish([(job, ways[n % len(ways)](n)) for n, job in enumerate(claimed[:40])])
    told = [way(n).beside(log=(n, b"a line\n" * 99), keep_us=LEASE_US) for n, way in enumerate(ways)]
    store.finish(list(zip(claimed[40:47], told, strict=True)))
    store.finish([(job, Outcome.retry(0, failure, budget=(1, LEASE_US))) for job in claimed[47:50]])
    for job in claimed[50:55]:
        store.progress(job, "HALF", result(50))
    store.extend(claimed[60], LEASE_US)


def fill(store: Store) -> tuple[list[str], list[NewJob]]:
    made = jobs()
    ids = [id for id, _ in store.enqueue(made)]
    Gates(store).pause(task="t.paused")
    Gates(store).pause(queue="q2")
    worker = store.join("good", 4, LEASE_US)
    commands = Commands(store)
    commands.obey(worker, "good")
    for number in range(20):
        commands.give(
            "pool_grow", result(number), [worker], target="all", author="me@here:1", expires_us=LEASE_US
        )
    for number in range(10):
        commands.begin(number + 1, worker)
        commands.answer(number + 1, worker, number % 2 == 0, result(number))
    commands.record("revoke", result(0), True, result(1), target="the file", author="me@here:1")
    known = ["t.a", "t.named", "t.once", "t.large", "t.paused", "t.later"]
    work(store, store.claim(worker, 80, tasks=known))
    for id in ids[120:124]:
        store.cancel(id)
    return ids, made


def inbox(path: Path) -> None:
    """What the application's own connection wrote."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.executemany(
            "INSERT INTO pyqueue_inbox(id, task, body, queue) VALUES(?, 't.inbox', ?, ?)",
            [(f"in-{n}", body(2000 + n), f"q{n}") for n in range(5)],
        )


def good(*, wal: bool) -> Good:
    """``wal``: the newest pages are still in the write-ahead log, and the file itself is older."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good.db"
        store = Store(str(path), durability="normal")
        if wal:
            # The tables and some jobs are in the file; the rest comes later, while a reader keeps the log.
            store.enqueue(jobs()[:50])
            store.close()
            reader = sqlite3.connect(path)
            reader.execute("BEGIN").execute("SELECT count(*) FROM pyqueue_job").fetchall()
        ids, made = fill(store)
        inbox(path)
        if not wal:
            store.close()
        log = path.with_name("good.db-wal")
        found = Good(
            path.read_bytes(),
            log.read_bytes() if wal else b"",
            (*ids, *(f"in-{n}" for n in range(5))),
            frozenset({bytes_of(n) for n in range(len(made))} | {body(2000 + n) for n in range(5)}),
            frozenset(result(n) for n in range(50)),
        )
        if wal:
            reader.close()
            store.close()
        return found


def bytes_of(number: int) -> bytes:
    """The body of the n-th job of ``jobs()``."""
    kinds = [
        (150, 0, 40),
        (10, 1000, 0),
        (5, 1100, 0),
        (5, 1200, 0),
        (1, 1300, 20_000),
        (5, 1400, 0),
        (5, 1500, 0),
    ]
    for count, first, size in kinds:
        if number < count:
            return body(first + number, size)
        number -= count
    raise IndexError(number)
