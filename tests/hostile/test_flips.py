"""P16, P19: a damaged file is refused unchanged or used with our exceptions; it never crashes, hangs or runs a lie."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hostile.damage import Damaged, damaged, rewritten
from hostile.exercise import exercise
from hostile.flipping import run, totals
from hostile.good_file import good

FLIPS = 800
MANY = 20_000
LEAST = -(2**63)
COLUMN = "UPDATE sqlite_schema SET sql=replace(sql, {}, {}) WHERE name='pyqueue_job'"
FOUND = {
    "a husk is marked as ready": "UPDATE pyqueue_job SET mark=0 WHERE mark=2",
    "payload and checksum are both NULL": "UPDATE pyqueue_job SET payload=NULL, checksum=NULL WHERE mark=0",
    "the head of a band stands in another band": "UPDATE pyqueue_head SET pos=127 WHERE band>0",
    "a lease begins at the least integer": f"UPDATE pyqueue_lease SET first={LEAST} WHERE rowid=(SELECT min(rowid) FROM pyqueue_lease)",
    "a lease begins at the least integer, all end at the greatest": f"UPDATE pyqueue_lease SET last={2**63 - 1}, first=CASE first WHEN (SELECT min(first) FROM pyqueue_lease) THEN {LEAST} ELSE first END",
    "a column has another name": COLUMN.format("'retries'", "'retried'"),
    "a column is a part of the comment before it": COLUMN.format("'husk' || char(10)", "'husk '"),
}
"""What long runs have found wrong, said so that it stays the same damage when the layout of the file changes."""


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is tried here is no promise about disks."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="hostile-", dir=memory))
    yield folder
    shutil.rmtree(folder)


def judged(fast: Path, first: int, count: int) -> None:
    became, wrong = totals(run(fast, first, count))
    assert wrong == []
    # Else the damage would be none, or the file not even opened.
    assert all(became[each] > count / 20 for each in ("fine", "troubled", "refused")), became
    assert became.total() == count


@pytest.mark.timeout(300)
def test_no_damaged_file_does_harm(fast: Path) -> None:
    judged(fast, 0, FLIPS)


def exercised(folder: Path, statement: str) -> dict[str, str]:
    """What becomes of the good file after a statement that breaks its rules, with ``crc32``."""
    origin = good(wal=False)
    db = bytearray(origin.db)
    with rewritten(db) as connection:
        connection.create_function("crc32", 1, crc32)
        connection.execute("PRAGMA writable_schema = ON")
        assert connection.execute(statement).rowcount > 0
    return exercise(folder / "jobs.db", origin, Damaged(statement, bytes(db), b""))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once_stays_mended(fast: Path, what: str) -> None:
    became = exercised(fast, FOUND[what])
    assert became["became"] in (["refused"] if "column" in what else ["refused", "fine", "troubled"]), became


DAMAGED = "CAST(replace(CAST({} AS TEXT), 'args', 'argz') AS BLOB)"


def test_only_the_inbox_may_bring_arguments_without_a_checksum(fast: Path) -> None:
    inbox = f"UPDATE pyqueue_inbox SET id='I' || id, task='t.other', body={DAMAGED.format('body')}"
    assert exercised(fast, inbox) == {"became": "troubled"}, "those with the old ids are unknown"


@pytest.mark.parametrize("where", ["mark=0", "mark=0 AND alias IS NOT NULL"])
def test_control_damaged_arguments_whose_checksum_fits_are_seen(fast: Path, where: str) -> None:
    new = DAMAGED.format("payload")
    became = exercised(fast, f"UPDATE pyqueue_job SET payload={new}, checksum=crc32({new}) WHERE {where}")
    assert became["why"].startswith("Wrong: a damaged payload was handed out"), became


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_damaged_file_of_many_does_harm(fast: Path) -> None:
    judged(fast, FLIPS, MANY)


def test_the_same_number_is_the_same_damage() -> None:
    origin = good(wal=True)
    assert all(damaged(origin, number) == damaged(origin, number) for number in range(100))
    assert len({damaged(origin, number).db + damaged(origin, number).wal for number in range(100)}) > 75


CONTROL = """
import json, os, signal, sys, time
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    if number == 3: os.kill(os.getpid(), signal.SIGSEGV)
    if number == 5: time.sleep(60)
    print(json.dumps({"number": number, "became": "fine"}), flush=True)
"""


def test_control_a_crash_and_a_hang_are_seen_and_the_rest_is_still_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hostile.flipping.HANG", 1.0)
    (tmp_path / "control.py").write_text(CONTROL)
    became, wrong = totals(run(tmp_path, 0, 8, program=tmp_path / "control.py"))
    assert became == {"fine": 6, "wrong": 2}
    assert [(each["number"], each["why"][:5]) for each in sorted(wrong, key=lambda each: each["number"])] == [
        (3, "crash"),
        (5, "hang "),
    ]
