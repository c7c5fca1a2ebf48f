"""What the queue file and the catalogue say after a run, and whether it is what must be true."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

from pyqueue.demo.tree import Tree
from pyqueue.demo.victims import Held, Kills

if TYPE_CHECKING:
    from pyqueue._core import Store


ENOUGH_JOBS: Final = 100
"""With fewer, all may be done in the few milliseconds that a kill takes to prepare."""


class Findings(NamedTuple):
    """Totals of a run, the attempts of the jobs that were hit, and a sentence for each thing that is wrong."""

    files: int
    unreadable: int
    bytes: int
    jobs: int
    retries: int
    recovered: int
    histories: list[str]
    wrong: list[str]


def examine(
    store: Store, connection: sqlite3.Connection, tree: Tree, jobs: list[str], kills: Kills, *, said: object
) -> Findings:
    """Compares catalogue, history and counters with the tree and with what the driver saw, and with what the last job
    ``said``."""
    wrong = [*_wrong_rows(connection, tree), *_wrong_counts(store), *_wrong_histories(store, kills.held)]
    recovered = 0
    for job in jobs:
        state = store.view(job).state
        if state == "success":
            recovered += sum(attempt.outcome == "lost" for attempt in store.attempts(job))
        else:
            wrong.append(f"job {job} is {state}")
    if kills.pending and len(jobs) >= ENOUGH_JOBS:
        wrong.append("the tree was done before a child and a worker could be killed; take a larger one")
    files, unreadable, size = connection.execute(
        "SELECT count(sha256), count(error), coalesce(sum(bytes), 0) FROM catalog"
    ).fetchone()
    if said != f"{files:,} files with {size:,} bytes":
        wrong.append(f"the last job said {said!r}, and the catalogue has {files:,} files with {size:,} bytes")
    return Findings(
        files=files,
        unreadable=unreadable,
        bytes=size,
        jobs=len(jobs),
        retries=sum(queue.retried for queue in store.queues()),
        recovered=recovered,
        histories=[_history(store, each) for each in kills.held],
        wrong=wrong,
    )


def _wrong_rows(connection: sqlite3.Connection, tree: Tree) -> list[str]:
    rows = [row[0] for row in connection.execute("SELECT path FROM catalog ORDER BY path")]
    missing, extra = set(tree.files).difference(rows), set(rows).difference(tree.files)
    wrong = [f"{len(missing):,} files are not in the catalogue, {min(missing)!r} for one"] if missing else []
    if extra:
        wrong.append(f"{len(extra):,} rows of the catalogue are of no file, {min(extra)!r} for one")
    check = connection.execute("PRAGMA quick_check").fetchone()[0]
    return wrong if check == "ok" else [*wrong, f"SQLite finds the file damaged: {check}"]


def _wrong_counts(store: Store) -> list[str]:
    return [
        f"queue {queue.name} still has {count:,} jobs {state}"
        for queue in store.queues()
        for state in ("waiting", "delayed", "parked", "prepared", "held", "running")
        if (count := getattr(queue, state))
    ]


def _wrong_histories(store: Store, held: list[Held]) -> list[str]:
    return [
        f"job {each.job} was killed in attempt {each.attempt}, and its history does not show that as lost"
        for each in held
        if ("lost", each.attempt) not in {(one.outcome, one.number) for one in store.attempts(each.job)}
    ]


def _history(store: Store, held: Held) -> str:
    attempts = ", ".join(f"attempt {each.number} {each.outcome}" for each in store.attempts(held.job))
    return f"job {held.job}: {attempts or 'no attempt in the history'}"


def table(findings: Findings, seconds: float) -> str:
    """The closing table."""
    rows = [
        ("files", f"{findings.files:,}"),
        ("unreadable", f"{findings.unreadable:,}"),
        ("bytes", f"{findings.bytes:,}"),
        ("jobs", f"{findings.jobs:,}"),
        ("retries", f"{findings.retries:,}"),
        ("recovered", f"{findings.recovered:,}"),
        ("seconds", f"{seconds:.1f}"),
        ("jobs/s", f"{findings.jobs / seconds:,.0f}"),
    ]
    return "\n".join(f"{label:<11}{value:>16}" for label, value in rows)
