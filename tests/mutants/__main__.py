"""Runs the promises' tests on a build in which one guard is off: each must fail, and pass with all guards on.

``python -m tests.mutants [NAME ...]``. What was seen is kept in ``target/mutants.jsonl`` and not run again for
the same commit. ``--functional`` also runs what users see (face, apps, command line) on each mutant, to tell which of
them only the promise's test notices.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.faulty import PLACE, ROOT, build
from tests.mutants.table import MUTANTS

SEEN = PLACE.with_name("mutants.jsonl")
FUNCTIONAL = "pytest -x tests/face tests/apps tests/cli tests/test_examples.py"
LONGEST = 600
"""Seconds for one test; one that hangs has noticed too."""


def command_of(test: str) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a test as the table names it."""
    kind, _, rest = test.partition(" ")
    cargo = ["cargo", "test", "--release", "--quiet", "--features", "mutants"]
    match kind:
        case "core":
            return [*cargo, "--lib", rest], {}
        case "simulation":
            return [*cargo, "--test", "simulation"], {"PYQUEUE_SEEDS": rest}
        case "power":
            return [*cargo, "--test", "simulation", "power_cuts"], {"PYQUEUE_POWER_POINTS": rest}
        case "pytest":
            return [str(Path(sys.executable).with_name("pytest")), "-x", *shlex.split(rest)], {}
        case "run":
            return [sys.executable, "-P", "-m", *shlex.split(rest)], {}
    raise ValueError(test)


def passes(test: str, mutant: str) -> bool:
    """Whether a test passes with a guard off (or with all on, for the empty name)."""
    command, environment = command_of(test)
    environment |= {"PYQUEUE_MUTANT": mutant, "PYTHONPATH": f"{PLACE}:{ROOT}"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(LONGEST) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            # Whoever hangs leaves workers behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


class Seen:
    """Answers that were had before, for this commit."""

    def __init__(self) -> None:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        self.commit = head.stdout.strip()
        lines = SEEN.read_text().splitlines() if SEEN.exists() else []
        told = (json.loads(line) for line in lines)
        self.known = {
            (one["mutant"], one["test"]): one["passes"] for one in told if one["commit"] == self.commit
        }

    def passes(self, test: str, mutant: str) -> bool:
        """Runs the test unless it was."""
        if (mutant, test) not in self.known:
            began = time.monotonic()
            answer = passes(test, mutant)
            self.known[mutant, test] = answer
            took = round(time.monotonic() - began, 1)
            with SEEN.open("a") as file:
                line = {
                    "commit": self.commit,
                    "mutant": mutant,
                    "test": test,
                    "passes": answer,
                    "seconds": took,
                }
                file.write(json.dumps(line) + "\n")
        return self.known[mutant, test]


def main() -> int:
    """1 if a mutant lives, or a test fails on the sound arm."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to run (default: all)")
    parser.add_argument(
        "--functional", action="store_true", help="also tell which the functional tests notice"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MUTANTS)
    if unknown:
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    build()
    subprocess.run(
        ["cargo", "test", "--no-run", "--release", "--quiet", "--features", "mutants"], cwd=ROOT, check=True
    )
    seen = Seen()
    alive, hidden = [], 0
    for name in arguments.names or MUTANTS:
        row = MUTANTS[name]
        if not seen.passes(row.caught_by, ""):
            print(f"{name}: its test fails with every guard on: {row.caught_by}", flush=True)
            alive.append(name)
            continue
        caught = not seen.passes(row.caught_by, name)
        if not caught:
            alive.append(name)
        told = "caught" if caught else "ALIVE"
        if arguments.functional:
            quiet = seen.passes(FUNCTIONAL, name)
            hidden += quiet
            told += ", functional tests pass" if quiet else ", functional tests fail"
        print(f"{name:24} {row.promise:4} {told}: {row.breaks}", flush=True)
    count = len(arguments.names or MUTANTS)
    print(
        f"{count - len(alive)} of {count} mutants caught" + (f", {hidden} by nothing else" if hidden else "")
    )
    return int(bool(alive))


if __name__ == "__main__":
    sys.exit(main())
