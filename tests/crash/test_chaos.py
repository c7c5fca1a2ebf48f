"""Producers, children and workers killed all the time: nothing is lost, nothing runs after its end, no two at a time.

``python -m tests.crash --help`` runs as much of it as there is time for.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rounds import Goal, Totals, main, report, run_rounds

KILLS, JOBS, SECONDS = 250, 25_000, 200.0
TORTURE_KILLS, TORTURE_JOBS, TORTURE_SECONDS = 5_000, 1_000_000, 1_500.0


def run(folder: Path, kills: int, jobs: int, seconds: float, seed: int) -> Totals:
    totals = run_rounds(folder, Goal(kills, jobs, seconds, None, seed, None))
    print(report(totals))
    assert totals.faults == []
    figures = totals.figures
    assert figures["kills"] >= kills
    assert figures["acknowledged"] + figures["in doubt, made"] >= jobs
    assert {each["durability"] for each in totals.rounds} == {"full", "normal"}
    # The kills hit where it hurts.
    at_work = sum(figures[f"at work, of {role}"] for role in ("producer", "child", "worker"))
    assert at_work > kills / 2
    for hurt in (
        "attempts lost",
        "producers killed inside of an enqueue",
        "at work, of worker",
        "ordered with a row",
        "orders rolled back",
        "effects",
    ):
        assert figures[hurt] > 0, hurt
    # A job is dead after several losses of its own: of few kills, perhaps none.
    assert figures["state dead"] > 0 or kills < TORTURE_KILLS
    return totals


@pytest.mark.timeout(300)
def test_250_kills_lose_nothing(tmp_path: Path) -> None:
    run(tmp_path, KILLS, JOBS, SECONDS, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["totals.jsonl"], "a clean round leaves nothing"


@pytest.mark.slow
@pytest.mark.timeout(1_700)
def test_torture(tmp_path: Path) -> None:
    run(tmp_path, TORTURE_KILLS, TORTURE_JOBS, TORTURE_SECONDS, seed=1_000)


def test_the_next_sitting_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    few = Goal(kills=4, jobs=600, seconds=50.0, durability="normal", seed=5, broken=None)
    first = run_rounds(tmp_path, few)
    done = len(first.rounds)
    # As if it had been stopped inside of the next round, and while it wrote a line.
    (tmp_path / f"round-{done + 1}").mkdir()
    with first.path.open("a") as file:
        file.write('{"round": 2, "fig')
    kills = first.figures["kills"]
    more = run_rounds(tmp_path, few._replace(kills=kills + 4, jobs=1_200))
    assert more.rounds[:done] == first.rounds
    assert [each["round"] for each in more.rounds] == list(range(1, len(more.rounds) + 1))
    assert more.figures["kills"] >= kills + 4
    assert more.faults == []
    assert [path.name for path in tmp_path.iterdir()] == ["totals.jsonl"]


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        # A client that says "it is stored" before it stores it.
        ("ack-first", "P1"),
        # A task that somebody starts a second time, by hand.
        ("start-twice", "P3"),
        # A host that writes its rows in another commit than its jobs.
        ("order-apart", "P2"),
        # A task that writes its rows in another commit than its end.
        ("effect-apart", "P8"),
    ],
)
def test_control_a_broken_promise_is_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], broken: str, promise: str
) -> None:
    arguments = [
        "--break",
        broken,
        "--dir",
        str(tmp_path),
        "--kills",
        "60",
        "--jobs",
        "6000",
        "--minutes",
        "0.8",
    ]
    assert main([*arguments, "--expect-violation", promise]) == 0
    assert f"broken: {promise}" in capfd.readouterr().out
    # Its files are kept, and named.
    assert list(tmp_path.glob("round-*/jobs.db"))
    # Asked about what was found before, in the file of the totals.
    assert main([*arguments, "--minutes", "0"]) == 1
    assert main([*arguments, "--minutes", "0", "--expect-violation", "P99"]) == 1
