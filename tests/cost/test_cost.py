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


COUNTED: dict[tuple[object, ...], float] = {}
"""What was counted before."""


def each(count: object, name: str, folder: Path, *more: str) -> float:
    """What one more job costs: the start falls out."""
    what = (count, name, *more)
    if what not in COUNTED:
        COUNTED[what] = _each(count, name, folder, *more)
    return COUNTED[what]


def _each(count: object, name: str, folder: Path, *more: str) -> float:
    counts = []
    for number in (FEW, MANY):
        place = folder / str(number)
        place.mkdir()
        counts.append(count(place, *command(name, number, place, *more)))  # type: ignore[operator]
    print(f"{name} {more}: {FEW} jobs {counts[0]:,}, {MANY} jobs {counts[1]:,}")
    return (counts[1] - counts[0]) / (MANY - FEW)


@pytest.fixture(autouse=True)
def bytecode(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One place for what is counted here, whatever the machine does with it elsewhere: to compile the package again is
    300 million instructions."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp() / "bytecode"))


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


@needs("valgrind")
@pytest.mark.timeout(300)
def test_events_cost_something_only_while_somebody_asks(tmp_path: Path) -> None:
    """The bounds above are those of before there were events; with them written, the count shows it."""
    for way in ("off", "followed"):
        (tmp_path / way).mkdir()
    off = each(instructions, "finish", tmp_path / "off")
    followed = each(instructions, "finish", tmp_path / "followed", "followed")
    print(f"finish: {off:,.0f} instructions a job, {followed:,.0f} with events")
    assert off <= INSTRUCTIONS["finish"]
    assert followed > off + 5_000


@needs("strace")
def test_control_a_task_that_calls_the_system_exceeds_the_bound(tmp_path: Path) -> None:
    assert each(system_calls, "run", tmp_path, "wasteful") > CALLS["run"]


@needs("strace")
@pytest.mark.parametrize("name", CALLS)
def test_system_calls(tmp_path: Path, name: str) -> None:
    cost = each(system_calls, name, tmp_path)
    print(f"{name}: {cost:.2f} system calls a job")
    assert cost <= CALLS[name]
