"""P11: one job for each time of a schedule, over two years of clocks that are put forward and back, in twenty zones."""

from __future__ import annotations

from pathlib import Path

import pytest
from calendar_of import ZONES, utc
from world import World, plans, wrong

START, END = utc(2026, 1, 1), utc(2028, 1, 1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", range(4))
def test_each_time_is_fired_once(tmp_path: Path, part: int) -> None:
    wanted = plans(ZONES[part::4], START, END)
    world = World(tmp_path / "jobs.db", wanted, START, seed=part)
    world.until(END)
    number = sum(len(plan.times) for plan in wanted)
    print(f"{number} times, {dict(world.seen)}")
    assert wrong(world) == []
    assert number > 5_000
    assert world.seen["lost"] > world.seen["job"] > number / 2, "of three that race two come too late"
    assert min(world.seen[each] for each in ("steps", "deaths", "all dead", "deployments")) > 0
