"""What the file holds when all is over, and the verdict on it."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

from checker import Verdict, check
from checking import faults as faults_of_file
from events import Event, Process, boot_us, read
from rules import RULES

ASKED_AGAIN = 20
"""One id in so many is looked for a second time, through the public door."""

OUTCOMES = ("success", "failure", "retry", "cancelled", "expired", "lost")
STATES = ("success", "failed", "dead", "cancelled", "expired")


def public_id(row: int, nonce: int, file: int) -> str:
    """The id that the client was told if it had none of its own (src/id.rs)."""
    bits = row << 59 | nonce << 32 | file
    return str(
        UUID(int=(bits >> 74) << 80 | 8 << 76 | (bits >> 62 & 0xFFF) << 64 | 2 << 62 | bits & (1 << 62) - 1)
    )


def audit(db: Path) -> Iterator[Event]:
    """Every attempt in the history and every job still in line. Nobody else may write meanwhile."""
    auditor, at = Process("auditor", 0, 0), boot_us()
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        [[file]] = connection.execute("SELECT value FROM pyqueue_meta WHERE name='file_id'")
        history = connection.execute(
            "SELECT job, nonce, alias, attempt, outcome, token, state FROM pyqueue_history ORDER BY seq"
        )
        for row, nonce, alias, attempt, outcome, token, state in history:
            facts = (
                str(attempt),
                OUTCOMES[outcome],
                "-" if token is None else str(token),
                "-" if state is None else STATES[state],
            )
            yield Event(at, auditor, "file", "ok", alias or public_id(row, nonce, file), facts)
        for row, nonce, alias in connection.execute("SELECT id, nonce, alias FROM pyqueue_job WHERE mark<>2"):
            yield Event(at, auditor, "left", "ok", alias or public_id(row, nonce, file), ())
        if connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('ordered', 'booked')"
        ).fetchone() != (2,):
            # Nobody has ordered in transactions of its own.
            return
        for (tag,) in connection.execute("SELECT tag FROM ordered"):
            yield Event(at, auditor, "ordered", "ok", tag, ())
        for job, token in connection.execute("SELECT job, token FROM booked ORDER BY id"):
            yield Event(at, auditor, "effect", "ok", job, (str(token),))


def ended(db: Path) -> int | None:
    """How many jobs have ended, by the file's own counters; None while there is no file to ask."""
    return _asked(db, "SELECT ifnull(sum(succeeded + failed + revoked), 0) FROM pyqueue_head WHERE band > 0")


def left(db: Path) -> int | None:
    """How many jobs have not ended. Looks at every row."""
    return _asked(db, "SELECT count(*) FROM pyqueue_job WHERE mark<>2")


def _asked(db: Path, query: str) -> int | None:
    # Opened and closed each time: no connection lives across a fork.
    try:
        with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
            [[number]] = connection.execute(query)
            return int(number)
    except sqlite3.OperationalError:
        # Not made yet, locked, or nobody has it open.
        return None


def judge(folder: Path) -> Verdict:
    """The verdict on a round whose processes have all ended."""
    db = folder / "jobs.db"
    # Millions of small objects and no cycle among them: the collector would take a third of the time.
    gc.disable()
    try:
        return _judged(folder, db)
    finally:
        gc.enable()


def _judged(folder: Path, db: Path) -> Verdict:
    reading = read(folder / "events", audit(db))
    verdict = check(reading.events, [rule() for rule in RULES])
    acked = [
        id.removeprefix("=")
        for event in reading.events
        if event.op == "enqueue" and event.kind == "ok"
        for id in event.facts
        if id != "?"
    ]
    verdict.faults.extend(reading.faults)
    verdict.faults.extend(f"the file: {fault}" for fault in faults_of_file(db, acked[::ASKED_AGAIN]))
    return verdict
