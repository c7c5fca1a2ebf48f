"""The benchmark's own judgement: what it counts, what it compares, and that it notices when a figure is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import saved as saving
from bench.contenders import RIVALS, contenders
from bench.goals import BESIDE, GOALS, RATIOS, Goal, Ratio
from bench.plan import Settings, steps
from bench.saved import Saved
from bench.session import ROWS as SESSION_ROWS
from bench.summary import Summary
from bench.table import tables
from pyqueue.bench.beside_long import longest_free_ns
from pyqueue.bench.figures import percentile
from pyqueue.bench.measure import measure
from pyqueue.bench.rows import ROWS
from pyqueue.exceptions import QueueError

ROOT = Path(__file__).parents[2]


def test_a_row_is_measured_and_counted_twice(tmp_path: Path) -> None:
    figures, codec = measure("drain-normal", str(tmp_path), 0.005)
    assert figures["counted"] == figures["succeeded"] == figures["history_rows"] == 20_000
    assert figures["rate"] > 0
    assert codec in ("json", "msgspec")
    assert list(tmp_path.iterdir()) == []


def test_control_a_wrong_count_fails_the_row(tmp_path: Path) -> None:
    program = """
import sys
from pyqueue.bench.place import Place
place = Place(sys.argv[1], "normal", 0.005)
from pyqueue.bench import backlog, tally
tally.count()
backlog.drain(place)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode != 0
    assert "of 20,000 jobs the tasks counted 20,001, the file 20,000 successes" in done.stderr


def test_what_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="the row nonsense failed"):
        measure("nonsense", str(tmp_path), 0.005)


@pytest.mark.parametrize(
    ("each", "longest"),
    [
        # Both busy all the time.
        ([[10, 20, 30], [11, 21, 31]], 10),
        # The second rests from 21 to 90 while the first still starts jobs.
        ([[10, 20, 30, 40, 90], [11, 21]], 69),
        # The same, but it was in the long job.
        ([[10, 20, 30, 40, 90], [11, -21, -85]], 50),
        # Nothing is left to start when it rests.
        ([[10, 20, 30], [11, 21, -29, -2_000]], 10),
        # One never starts any.
        ([[10, 20, 30], []], 25),
    ],
)
def test_the_longest_rest_while_short_jobs_wait(each: list[list[int]], longest: int) -> None:
    assert longest_free_ns(each, 5) == longest


def test_percentiles() -> None:
    values = list(range(1, 101))
    assert [percentile(values, each) for each in (50, 99, 99.9, 100)] == [50, 99, 100, 100]


def measured(*rows: tuple[int, str, str, dict[str, float]], codec: str = "json") -> Summary:
    several = [
        {"round": number, "row": row, "contender": who, "figures": figures, "codec": codec}
        for number, row, who, figures in rows
    ]
    return Summary({"measured": several})


def test_goals_scale_with_the_floor_and_ratios_are_taken_within_a_round() -> None:
    summary = measured(
        (0, "inserts", "floor", {"rate": 30_000.0}),
        (0, "drain-normal", "pyqueue", {"rate": 1_000.0}),
        (1, "drain-normal", "pyqueue", {"rate": 3_000.0}),
        (0, "drain", "celery/none", {"rate": 10.0}),
        (1, "drain", "celery/none", {"rate": 10.0}),
        (0, "drain", "huey_sqlite", {"rate": 100.0}),
        (1, "drain", "celery/always", {"rate": 5_000.0}),
    )
    assert summary.bound(Goal("drain-normal", "rate", 100.0, True, "inserts"))[0] == 50.0
    assert summary.bound(Goal("drain-normal", "rate", 100.0, True, "inserts", encodes=True))[0] == 25.0
    assert summary.bound(Goal("drain-normal", "p99_ms", 1.0, False, "inserts"))[0] == 2.0
    assert summary.bound(Goal("drain-normal", "rate", 100.0, True, "sync"))[0] == 100.0
    assert summary.bound(Goal("drain-normal", "pss_mb", 40.0, False))[0] == 40.0
    over_celery = summary.reached(Ratio("drain-normal", "celery", 100))
    assert over_celery is not None
    assert (over_celery.median, over_celery.lowest, over_celery.highest) == (200.0, 100.0, 300.0)
    over_all = summary.reached(Ratio("drain-normal", "all", 25))
    assert over_all is not None
    assert over_all.median == 10.0


def test_every_goal_has_its_row() -> None:
    rows = {row.name: row for row in ROWS}
    assert {each.row for each in (*GOALS, *RATIOS)} <= rows.keys()
    assert BESIDE.keys() <= rows.keys()
    assert {each.row for each in BESIDE.values()} <= set(SESSION_ROWS)


def test_everybody_is_measured_in_each_round_and_the_floors_first() -> None:
    settings = Settings("quick", 2, 0.25, False, ("none",), None, None)
    for number in range(2):
        mine = [step for step in steps(settings) if step.round == number]
        assert [step.row for step in mine[:2]] == ["inserts", "sync"]
        assert {step.contender for step in mine} == {
            "pyqueue",
            "floor",
            *(each.name for each in contenders(None, ("none",))),
        }
        whose = ["rival" if step.rival else "ours" for step in mine]
        assert max(len(run) for run in "".join(each[0] for each in whose).split("r")) <= 4


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "RESULTS", tmp_path)
    settings: dict[str, Any] = {"scale": 1.0}
    saved = Saved.new("full", settings, tmp_path)
    saved.add(0, "drain-normal", "pyqueue", 1.0, figures={"rate": 1.0})
    again = Saved.unfinished("full", settings)
    assert again is not None
    assert again.has(0, "drain-normal", "pyqueue")
    assert not again.has(1, "drain-normal", "pyqueue")
    assert Saved.unfinished("full", {"scale": 0.5}) is None
    again.finish()
    assert Saved.unfinished("full", settings) is None
    shown = tables(json.loads(saved.path.read_text()))
    assert "not measured" in shown
    assert str(Path.home()) not in shown


def test_each_rival_has_its_file_and_its_version() -> None:
    files = {path.stem for path in (ROOT / "bench" / "rivals").glob("*.py")} - {
        "__init__",
        "environment",
        "producer",
    }
    assert files == {rival.name for rival in RIVALS}
    assert all("==" in each for rival in RIVALS for each in rival.requirements)


def test_the_command_lists_and_measures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pyqueue", "bench"]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert all(row.name in listed.stdout for row in ROWS)
    done = subprocess.run(
        [*command, "--rows", "many", "--json"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(done.stdout)["medians"]["many"]["rate"] > 0
    assert list(tmp_path.iterdir()) == []
    wrong = subprocess.run(
        [*command, "--rows", "nonsense"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "there is no row nonsense" in wrong.stderr
