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

FLIPS = 2_000
MANY = 20_000
FOUND = {
    7124: "a husk was made a job again",
    7663: "a column of pyqueue_job has another name",
    9742: "a row of the inbox is another task with other arguments",
    14298: "a husk was made a job again, beside damaged dedup keys",
    16906: "payload and checksum are both NULL",
    17815: "a column of pyqueue_job is a part of the comment before it",
    20918: "the head of a band stands in another band",
    24740: "a lease begins at the least integer",
    25204: "a lease begins at the least integer, another at 1",
    45706: "rows out of order, so that a claim meets one twice (1 in 40 times)",
    25477: "a column of pyqueue_job is a part of the comment before it",
}
"""What long runs have found wrong, by the number of the file."""


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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", FOUND, ids=FOUND.get)
def test_what_was_found_once_stays_mended(fast: Path, number: int) -> None:
    became, wrong = totals(run(fast, number, 1))
    assert (wrong, became.total()) == ([], 1)


def exercised(folder: Path, statement: str) -> dict[str, str]:
    """What becomes of the good file after a statement that breaks its rules, with ``crc32``."""
    origin = good(wal=False)
    db = bytearray(origin.db)
    with rewritten(db) as connection:
        connection.create_function("crc32", 1, crc32)
        assert connection.execute(statement).rowcount > 0
    return exercise(folder / "jobs.db", origin, Damaged(statement, bytes(db), b""))


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
