"""Rounds of chaos until so many processes were killed and so many jobs made; the totals stay in a file.

Started again with the same directory it goes on where it stopped, so that the figures of several sittings add up.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chaos import Outcome, Plan, run_round

ROUND_JOBS = 200_000
"""Jobs a round: its history is checked in the memory of this process, about 1 kB a job."""
DURABILITIES = ("full", "normal")
LEAST_SECONDS = 5.0
"""A round shorter than this proves nothing: its processes have hardly started."""

SHOWN = 10

CLEAN, BROKEN = 0, 1
BREAKS = ("ack-first", "start-twice", "order-apart", "effect-apart")


class Goal(NamedTuple):
    kills: int
    jobs: int
    seconds: float
    durability: str | None
    seed: int
    broken: str | None


class Totals:
    """One JSON line a round."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rounds: list[dict[str, Any]] = []
        if path.exists():
            # The last line may be torn.
            whole = path.read_text().split("\n")[:-1]
            self.rounds = [json.loads(line) for line in whole]
            path.write_text("".join(f"{line}\n" for line in whole))

    def add(self, number: int, plan: Plan, outcome: Outcome) -> None:
        line = {
            "round": number,
            "durability": plan.durability,
            "seed": plan.seed,
            "seconds": round(outcome.seconds, 1),
            "faults": some(outcome.verdict.faults),
            "broken": Counter(promise_of(fault) for fault in outcome.verdict.faults),
            "figures": outcome.verdict.figures,
        }
        self.rounds.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    @property
    def figures(self) -> Counter[str]:
        return sum((Counter(each["figures"]) for each in self.rounds), Counter())

    @property
    def faults(self) -> list[str]:
        return [fault for each in self.rounds for fault in each["faults"]]

    def next_number(self) -> int:
        return max((each["round"] for each in self.rounds), default=0) + 1


def promise_of(fault: str) -> str:
    return fault.partition(":")[0]


def some(faults: list[str]) -> list[str]:
    """A few of each promise."""
    seen: Counter[str] = Counter()
    kept = []
    for fault in faults:
        seen[promise_of(fault)] += 1
        if seen[promise_of(fault)] <= SHOWN:
            kept.append(fault)
    return kept


def run_rounds(folder: Path, goal: Goal) -> Totals:
    """Runs rounds until the goal is reached, the time is over or a promise is broken."""
    folder.mkdir(parents=True, exist_ok=True)
    totals = Totals(folder / "totals.jsonl")
    until = time.monotonic() + goal.seconds
    fresh = 0
    while not (fresh and totals.rounds[-1]["faults"]) and until - time.monotonic() > LEAST_SECONDS:
        done = totals.figures
        kills, jobs = goal.kills - done["kills"], goal.jobs - done["ended jobs"]
        if kills <= 0 and jobs <= 0:
            break
        # The last rounds are as dense as the first, whichever of the two is still missing.
        jobs = max(jobs, kills * goal.jobs // goal.kills, 1_000)
        parts = -(-jobs // ROUND_JOBS)
        if parts == 1 and not goal.durability and not fresh:
            parts = len(DURABILITIES)
        number = totals.next_number()
        plan = Plan(
            jobs=-(-jobs // parts),
            kills=max(1, -(-max(kills, jobs * goal.kills // goal.jobs) // parts)),
            durability=goal.durability or DURABILITIES[number % len(DURABILITIES)],
            seed=goal.seed + number,
            broken=goal.broken,
            until=until,
        )
        say(f"round {number}, {plan.durability}: {plan.jobs} jobs, {plan.kills} kills, seed {plan.seed}")
        outcome = run_round(folder / f"round-{number}", plan, say)
        totals.add(number, plan, outcome)
        fresh += 1
        say(f"round {number} took {outcome.seconds:.1f} s, {outcome.checked_in:.1f} s of it to check")
        if outcome.verdict.faults:
            say(f"round {number} broke a promise; its files are in {outcome.folder}")
    return totals


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def report(totals: Totals) -> str:
    """What was really run, and what was found."""
    figures, faults = totals.figures, totals.faults
    seconds = sum(each["seconds"] for each in totals.rounds)
    broken: Counter[str] = sum((Counter(each["broken"]) for each in totals.rounds), Counter())
    lines = [f"{len(totals.rounds)} rounds in {seconds:.0f} s:"]
    lines += [f"  {name:40} {figures[name]:>12,}" for name in sorted(figures)]
    lines += [f"broken: {promise}, {times} times" for promise, times in broken.items()]
    lines += [f"  {fault}" for fault in faults]
    at_work = sum(figures[f"at work, of {role}"] for role in ("producer", "child", "worker"))
    lines.append(
        f"{figures['kills']:,} kills ({at_work:,} of a process at work), {figures['acknowledged']:,} jobs "
        f"acknowledged, {figures['ended jobs']:,} ended; {broken.total()} broken promises"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if no promise was broken; 1 if one was. With ``--expect-violation`` the other way round."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, metavar="N")
    parser.add_argument("--jobs", type=int, default=100_000, metavar="N")
    parser.add_argument("--minutes", type=float, default=25.0, help="stop then, with what has been done")
    parser.add_argument("--dir", type=Path, help="where totals and broken rounds stay (default: a new one)")
    parser.add_argument("--durability", choices=DURABILITIES, help="default: in turns")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--break", dest="broken", choices=BREAKS, help="a control arm")
    parser.add_argument(
        "--expect-violation",
        nargs="?",
        const="",
        metavar="P",
        help="succeed only if a promise (whose name begins with P) is broken: for builds with a guard taken out",
    )
    given = parser.parse_args(arguments)
    # So that every process is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = given.dir or Path(tempfile.mkdtemp(prefix="pyqueue-crash-"))
    goal = Goal(given.kills, given.jobs, given.minutes * 60, given.durability, given.seed, given.broken)
    totals = run_rounds(folder, goal)
    print(report(totals))
    if given.dir is None and not totals.faults:
        (folder / "totals.jsonl").unlink(missing_ok=True)
        folder.rmdir()
    if given.expect_violation is None:
        return BROKEN if totals.faults else CLEAN
    found = any(fault.startswith(given.expect_violation) for fault in totals.faults)
    print(f"a broken promise was expected, and {'found' if found else 'NOT found'}")
    return CLEAN if found else BROKEN
