"""A worker under everything at once stays as it is, and loses nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from checker import Verdict
from soak import MIX, Seen, Size, Soak


def soaked(folder: Path, seconds: float, reload_every: float) -> Seen:
    seen = Soak(folder, seconds, reload_every).run()
    assert seen.verdict.faults == []
    assert seen.grown == []
    assert seen.made.keys() == MIX.keys()
    assert seen.kills > seconds / 3
    assert seen.reloads >= 3
    figures = seen.verdict.figures
    for met in ("state success", "state failed", "state dead", "attempts lost", "run again"):
        assert figures[met] > 0, met
    return seen


@pytest.mark.timeout(240)
def test_ten_seconds(tmp_path: Path) -> None:
    soaked(tmp_path, 10.0, 3.0)


@pytest.mark.slow
@pytest.mark.timeout(4_200)
def test_an_hour(tmp_path: Path) -> None:
    soaked(tmp_path, 3_600.0, 60.0)


@pytest.mark.parametrize(
    "last",
    [Size(60 << 20, 20, 5), Size(50 << 20, 40, 5), Size(50 << 20, 20, 6)],
    ids=["memory", "descriptors", "threads"],
)
def test_control_a_supervisor_that_grows_is_noticed(last: Size) -> None:
    first = Size(50 << 20, 20, 5)
    assert Seen(Verdict([], {}), Counter(), 0, 0, [(first, first)]).grown == []
    assert len(Seen(Verdict([], {}), Counter(), 0, 0, [(first, first), (first, last)]).grown) == 1
