"""P16, P19: a damaged file is refused unchanged or used with our exceptions; it never crashes, hangs or runs a lie."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile.damage import damaged
from hostile.flipping import run, totals
from hostile.good_file import good

FLIPS = 2_000
MANY = 20_000


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
