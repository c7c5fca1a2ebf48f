"""Runs the core's tests and the tests over the built module, and closes with one line for both."""

import os
import re
import subprocess
import sys
from pathlib import Path

ALONE = ("beside", "crash", "forks", "pool", "proofs")
"""Folders whose tests watch processes and the clock, or need the whole machine: one test at a time."""
LONG = ("faults", "stateful", "cost", "schedules")
"""Those that compute for long: they begin first, while the others wait for processes most of their time."""
BESIDE = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]

COUNTS = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


def seeds(first: int) -> list[str]:
    """Simulated worlds, so many a process: a killed one never gives its connections back."""
    counts = f"PYQUEUE_FROM={first}", "PYQUEUE_SEEDS=2000"
    return ["env", *counts, "cargo", "test", "--release", "--quiet", "--test", "simulation", "every_promise"]


def beside() -> list[str]:
    """What runs in several processes, in order; pytest would take "tests/cost tests" for "tests", in its own."""
    places = {place.name for place in Path("tests").iterdir() if any(place.glob("**/test_*.py"))}
    places |= {file.name for file in Path("tests").glob("test_*.py")}
    return [f"tests/{place}" for place in [*LONG, *sorted(places.difference(ALONE, LONG))]]


def run(command: list[str], closing: re.Pattern[str]) -> tuple[int, dict[str, int]]:
    """Runs a command, passes its output on, and adds up the counts of its closing lines."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if closing.search(line):
                for count, kind in COUNTS.findall(line):
                    total["failed" if kind.startswith("error") else kind] += int(count)
    return process.returncode, total


def main() -> int:
    # Thousands of processes start here, and each that finds no bytecode compiles the package again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    core = (["cargo", "test", "--release", "--quiet"], re.compile(r"^test result:"))
    face = ([sys.executable, "-m", "pytest"], re.compile(r" in \d+(\.\d+)?s"))
    if "--torture" in sys.argv:
        parts = [(seeds(first), core[1]) for first in range(1, 20_000, 2_000)]
        parts.append((face[0] + ["-m", "slow"], face[1]))
    else:
        quick = [*face[0], "-m", "not slow"]
        alone = [f"tests/{folder}" for folder in ALONE]
        parts = [core, ([*quick, *BESIDE, *beside()], face[1]), ([*quick, *alone], face[1])]
    codes, total = [], {"passed": 0, "failed": 0, "skipped": 0}
    for command, closing in parts:
        code, counts = run(command, closing)
        codes.append(code)
        for kind, count in counts.items():
            total[kind] += count
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    skipped = total["skipped"] > 0 and os.environ.get("CI") == "true"
    return int(any(codes) or skipped or total["failed"] > 0 or total["passed"] == 0)


if __name__ == "__main__":
    sys.exit(main())
