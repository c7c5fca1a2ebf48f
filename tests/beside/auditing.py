"""What a fresh process finds in the file after a round, held against the notes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
from mixing import DB, is_host
from notes import SLOTS, Notes

from pyqueue._core import Store


def missing_or_twice(what: str, found: Iterable[tuple[int, int]], notes: Notes, slots: set[int]) -> list[str]:
    """Each slot's rows are 1 to its last acknowledged one, once each; one more may have been on its way."""
    rows = Counter(found)
    numbers: dict[int, set[int]] = {slot: set() for slot in slots}
    strange = 0
    for slot, n in rows:
        if slot in numbers:
            numbers[slot].add(n)
        else:
            strange += 1
    lost = extra = 0
    for slot, there in numbers.items():
        last = notes.last(slot)
        lost += last - len(there & set(range(1, last + 1)))
        extra += len(there - set(range(1, last + 2)))
    twice = sum(count - 1 for count in rows.values())
    told = {"lost": lost, "there twice": twice, "never asked for": strange + extra}
    return [f"{count} {what} are {how}" for how, count in told.items() if count]


def pairs(bodies: Iterable[Any]) -> list[tuple[int, int]]:
    return [(slot, n) for slot, n in (json.loads(body)["args"] for body in bodies)]


def of_the_application(connection: apsw.Connection, notes: Notes) -> list[str]:
    """Its rows, its counter, and the jobs that it enqueued in its own transactions."""
    own = connection.execute("SELECT slot, n, job FROM own").fetchall()
    count = connection.execute("SELECT n FROM counter").get
    hosts = {slot for slot in range(1, SLOTS) if is_host(slot)}
    found = missing_or_twice("rows of the application", ((slot, n) for slot, n, _ in own), notes, hosts)
    if count != len(own):
        found.append(f"the application's counter is at {count}, its rows are {len(own)}")
    sent = connection.execute(
        "SELECT body FROM pyqueue_inbox UNION ALL SELECT payload FROM pyqueue_job WHERE task='host'"
    )
    if Counter(pairs(body for (body,) in sent)) != Counter((slot, n) for slot, n, job in own if job):
        found.append("the jobs of the application's transactions are not those of its rows")
    return found


def of_pyqueue(connection: apsw.Connection, notes: Notes, slots: set[int]) -> list[str]:
    """Its jobs."""
    bodies = connection.execute("SELECT payload FROM pyqueue_job WHERE task<>'host'")
    return missing_or_twice("jobs", pairs(body for (body,) in bodies), notes, slots)


def audit(notes: Notes) -> list[str]:
    """What is wrong, one sentence each."""
    connection = apsw.Connection(DB)
    lines = connection.execute("PRAGMA integrity_check").fetchall()
    found = [f"integrity_check: {line}" for (line,) in lines if line != "ok"]
    slots = set(range(1, SLOTS))
    if connection.execute("SELECT count(*) FROM sqlite_schema WHERE name='own'").get:
        found += of_the_application(connection, notes)
        slots = {slot for slot in slots if not is_host(slot)}
    found += of_pyqueue(connection, notes, slots)
    connection.close()
    store = Store(DB, embed=True)
    found += store.examine()
    ids = [id for slot in slots if (id := notes.id(slot))]
    unknown = sum(store.view(id).state == "unknown" for id in ids)
    return found + ([f"{unknown} acknowledged ids are unknown"] if unknown else [])


if __name__ == "__main__":
    try:
        said = audit(Notes(Path("notes")))
    except Exception as error:
        said = [f"{type(error).__name__}: {error}"]
    json.dump(said, sys.stdout)
