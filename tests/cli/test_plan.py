"""``pyqueue plan``: the formula against known values and against a line that is played, and the command."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.cli.erlang import MOST, servers_for, waiting, waiting_longer
from pyqueue.cli.plan import planned

Cli = Callable[..., Any]


@pytest.mark.parametrize(
    ("servers", "load", "share"),
    [
        # One server: the load itself. Two: a**2 / (2 + a).
        (1, 0.5, 0.5),
        (2, 1.0, 1 / 3),
        (2, 1.5, 2.25 / 3.5),
    ],
)
def test_the_share_that_waits(servers: int, load: float, share: float) -> None:
    assert waiting(servers, load) == pytest.approx(share, abs=1e-5)


def test_the_formula_is_the_sum_that_it_stands_for() -> None:
    from fractions import Fraction
    from math import factorial

    for servers, load in ((3, Fraction(5, 2)), (10, Fraction(8)), (100, Fraction(90))):
        last = load**servers / factorial(servers) * servers / (servers - load)
        all_terms = sum((load**k / factorial(k) for k in range(servers)), Fraction(0)) + last
        assert waiting(servers, float(load)) == pytest.approx(float(last / all_terms), rel=1e-9)


def test_too_few_servers_never_catch_up() -> None:
    assert waiting(4, 4.0) == waiting(4, 9.0) == waiting_longer(4, 4.0, 1, 100) == 1


def test_the_fewest_servers_are_found() -> None:
    for load in (0.0, 0.2, 3.7, 80.0, 5_000.0):
        found = servers_for(load, 2.0, 1.0, 0.95)
        assert found is not None
        assert waiting_longer(found, load, 2.0, 1.0) <= 0.05
        assert found == 1 or waiting_longer(found - 1, load, 2.0, 1.0) > 0.05
    assert servers_for(2.0 * MOST, 1, 1, 0.95) is None


def played(servers: int, rate: float, draw: Callable[[random.Random], float], time: float) -> float:
    """The share of 200,000 calls that wait for longer than ``time``, as it comes out."""
    dice = random.Random(7)
    free = [0.0] * servers
    now, late = 0.0, 0
    for _ in range(200_000):
        now += dice.expovariate(rate)
        start = max(now, heapq.heappop(free))
        late += start - now > time
        heapq.heappush(free, start + draw(dice))
    return late / 200_000


@pytest.mark.parametrize(("servers", "rate", "time"), [(1, 0.7, 1.0), (4, 3.2, 0.5), (10, 9.0, 1.0)])
def test_a_line_that_is_played_waits_as_foretold(servers: int, rate: float, time: float) -> None:
    share = waiting_longer(servers, rate, 1.0, time)
    assert played(servers, rate, lambda dice: dice.expovariate(1), time) == pytest.approx(share, rel=0.1)
    # The control arm: one server fewer, or other run times, wait otherwise.
    assert waiting_longer(servers + 1, rate, 1.0, time) < 0.9 * share
    alike = played(servers, rate, lambda _: 1.0, time)
    assert alike < 0.8 * share
    assert waiting_longer(servers, rate, 1.0, time, varied=0) == pytest.approx(alike, abs=0.06)


def task(jobs: int, each: float, bytes: int = 100) -> Any:
    return SimpleNamespace(
        task="t",
        jobs=jobs,
        attempts=jobs,
        seconds=jobs * each,
        squares=2 * jobs * each**2,
        bytes=jobs * bytes,
    )


def test_a_plan_follows_from_the_history() -> None:
    load: Any = SimpleNamespace(
        tasks=[task(6_000, 2.0)], first_us=0, busiest=600, unfinished=0, file_bytes=10**6
    )
    plan = planned(load, window=3_600, wait=1.0, share=0.95)
    assert plan.per_day == pytest.approx(144_000)
    assert plan.load == pytest.approx(6_000 / 3_600 * 2)
    assert plan.busiest_load == pytest.approx(20)
    assert plan.varied == pytest.approx(1)
    assert plan.children == servers_for(plan.load, 2.0, 1.0, 0.95)
    assert plan.busiest_children == servers_for(20.0, 2.0, 1.0, 0.95)
    assert plan.bytes_per_job == 100
    # Of 144,000 a day the history keeps 100,000.
    assert plan.file_bytes == pytest.approx(100_000 * 100 / 0.7)
    more = planned(load, window=3_600, wait=1.0, share=0.95, times=3)
    assert more.load == pytest.approx(3 * plan.load)
    assert (more.children or 0) > (plan.children or 0)


APP = """
import time
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def nap(seconds): time.sleep(seconds)
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    return PyQueue(tmp_path / "jobs.db")


def test_the_command_plans_for_what_was_run(cli: Cli, app: PyQueue) -> None:
    for _ in range(40):
        app.send_task("app.nap", (0.02,))
    assert cli("worker", "--burst", "-c", "4").returncode == 0
    done = cli("plan")
    assert (done.returncode, done.stderr) == (0, "")
    assert "jobs      40 that ended" in done.stdout
    assert "For 95 % of the jobs to start within 1 s:" in done.stdout
    shown = json.loads(cli("plan", "--json", "--times", "1000", "--wait", "100ms", "--share", "99").stdout)
    # 40,000 jobs of 20 ms or a little more in the busiest minute keep 13 children busy or a few more.
    assert 0.02 <= shown["run_time"] < 1
    assert shown["busiest_load"] == pytest.approx(shown["run_time"] * 40_000 / 60)
    assert shown["busiest_children"] == servers_for(
        shown["busiest_load"], shown["run_time"], 0.1, 0.99, shown["varied"]
    )
    assert shown["busiest_children"] > 13
    assert [each["task"] for each in shown["tasks"]] == ["app.nap"]


def test_too_little_history_is_said(cli: Cli, app: PyQueue) -> None:
    app.send_task("app.nap", (0,))
    assert cli("worker", "--burst", "-c", "1").returncode == 0
    done = cli("plan")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert "1 ended jobs" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--share", "100"),
        ("--share", "x"),
        ("--wait", "0"),
        ("--since", "-1"),
        ("--times", "0"),
        ("--times", "nan"),
    ],
    ids=str,
)
def test_wrong_use_is_one_line(cli: Cli, app: PyQueue, arguments: tuple[str, str]) -> None:
    done = cli("plan", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
