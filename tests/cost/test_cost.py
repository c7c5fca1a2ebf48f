"""What a job costs, in instructions and system calls: a gate against slow creep, on any machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cost.counting import instructions, needs, system_calls

SCENARIOS = Path(__file__).with_name("scenarios.py")
FEW, MANY = 200, 1_200

INSTRUCTIONS = {"delay": 108_000, "many": 58_000, "finish": 92_000, "run": 67_000}
"""For one job, a fifth above what was counted."""
CALLS = {"delay": 11.5, "many": 0.5, "finish": 1.0, "run": 2.1}
"""For one job."""


def command(name: str, count: int, folder: Path, *more: str) -> list[str]:
    return [sys.executable, str(SCENARIOS), name, str(count), str(folder), *more]


def each(count: object, name: str, folder: Path, *more: str) -> float:
    """What one more job costs: the start falls out."""
    counts = []
    for number in (FEW, MANY):
        place = folder / str(number)
        place.mkdir()
        counts.append(count(place, *command(name, number, place, *more)))  # type: ignore[operator]
    return (counts[1] - counts[0]) / (MANY - FEW)


@needs("valgrind")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions(tmp_path: Path, name: str) -> None:
    cost = each(instructions, name, tmp_path)
    print(f"{name}: {cost:,.0f} instructions a job")
    assert cost <= INSTRUCTIONS[name]


@needs("valgrind")
@pytest.mark.timeout(300)
def test_control_a_wasteful_task_exceeds_the_bound(tmp_path: Path) -> None:
    assert each(instructions, "run", tmp_path, "wasteful") > INSTRUCTIONS["run"]


@needs("strace")
def test_control_a_task_that_calls_the_system_exceeds_the_bound(tmp_path: Path) -> None:
    assert each(system_calls, "run", tmp_path, "wasteful") > CALLS["run"]


@needs("strace")
@pytest.mark.parametrize("name", CALLS)
def test_system_calls(tmp_path: Path, name: str) -> None:
    cost = each(system_calls, name, tmp_path)
    print(f"{name}: {cost:.2f} system calls a job")
    assert cost <= CALLS[name]
