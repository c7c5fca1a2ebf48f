"""Runs the promises' tests on a build in which one guard is off: each must fail, and pass with all guards on.

``python -m tests.mutants [NAME ...]``. What was seen is kept in ``target/mutants.jsonl`` and not run again while
product and tests are the same. ``--functional`` also runs what users see (face, apps, command line, examples) on each
mutant, to tell which of them only the promise's test notices: minutes for each, so several at once with ``--jobs``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faulty import PLACE, ROOT, build
from tests.mutants.table import MUTANTS

SEEN = PLACE.with_name("mutants.jsonl")
FUNCTIONAL = "pytest tests/face tests/apps tests/cli tests/test_examples.py"
LOGS = PLACE.with_name("mutants")
"""What the functional tests said of each."""
LONGEST = {FUNCTIONAL: 3600}
"""Seconds for one test, if not 600; one that hangs has noticed too."""
JUDGED = ("src", "pyqueue", "tests", "examples", "Cargo.toml", "Cargo.lock", "pyproject.toml")
"""What an answer depends on."""


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
    LOGS.mkdir(exist_ok=True)
    log = LOGS / f"{mutant or 'sound'}.log" if test == FUNCTIONAL else Path(os.devnull)
    with (
        log.open("wb") as said,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait(LONGEST.get(test, 600)) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            # Whoever hangs leaves workers behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


def judged() -> str:
    """The contents of product and tests, committed or not, in short. The table's changes change no answer."""
    command = ["git", "ls-files", "-co", "--exclude-standard", *JUDGED, ":!tests/mutants"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    hash = hashlib.sha256()
    for name in sorted(name for name in listed if (ROOT / name).is_file()):
        hash.update(f"{name}\0{hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}\n".encode())
    return hash.hexdigest()[:16]


class Seen:
    """Answers that were had before, for the same product and tests."""

    def __init__(self) -> None:
        self.judged = judged()
        lines = SEEN.read_text().splitlines() if SEEN.exists() else []
        told = (json.loads(line) for line in lines)
        self.known = {
            (one["mutant"], one["test"]): one["passes"] for one in told if one.get("judged") == self.judged
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
                    "judged": self.judged,
                    "mutant": mutant,
                    "test": test,
                    "passes": answer,
                    "seconds": took,
                }
                file.write(json.dumps(line) + "\n")
        return self.known[mutant, test]


def noticed(seen: Seen, name: str) -> bool:
    """Whether the promise's test, which passes with every guard on, fails without this one."""
    row = MUTANTS[name]
    if not seen.passes(row.caught_by, ""):
        print(f"{name}: its test fails with every guard on: {row.caught_by}", flush=True)
        return False
    caught = not seen.passes(row.caught_by, name)
    print(f"{name:24} {row.promise:4} {'caught' if caught else 'ALIVE'}: {row.breaks}", flush=True)
    return caught


def hidden(seen: Seen, names: list[str], jobs: int) -> list[str]:
    """Those that the functional tests pass with."""
    if not seen.passes(FUNCTIONAL, ""):
        print(f"the functional tests fail with every guard on: {LOGS / 'sound.log'}", flush=True)
        return []
    found = []

    def look(name: str) -> tuple[str, bool]:
        return name, seen.passes(FUNCTIONAL, name)

    with ThreadPoolExecutor(jobs) as pool:
        for name, quiet in pool.map(look, names):
            print(f"{name:24} functional tests {'pass' if quiet else 'fail'}", flush=True)
            found += [name] * quiet
    return found


def main() -> int:
    """1 if a mutant lives, or a test fails on the sound arm."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to run (default: all)")
    parser.add_argument(
        "--functional", action="store_true", help="also tell which the functional tests notice"
    )
    parser.add_argument("--jobs", type=int, default=1, help="functional runs at once (default: 1)")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MUTANTS)
    if unknown:
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    # A shell starts what runs in the background with SIGINT ignored, and tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    build()
    subprocess.run(
        ["cargo", "test", "--no-run", "--release", "--quiet", "--features", "mutants"], cwd=ROOT, check=True
    )
    seen = Seen()
    names = arguments.names or list(MUTANTS)
    caught = [name for name in names if noticed(seen, name)]
    if arguments.functional:
        alone = hidden(seen, caught, arguments.jobs)
        print(f"{len(alone)} by nothing else: {', '.join(alone)}")
    print(f"{len(caught)} of {len(names)} mutants caught")
    return int(len(caught) < len(names))


if __name__ == "__main__":
    sys.exit(main())
