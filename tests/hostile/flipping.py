"""Runs ``exercise.py`` over many damaged files, in few processes: one that dies or hangs is charged to its file."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HANG = 10.0
"""Seconds without a word: a sound file takes 0.01."""
EXERCISE = Path(__file__).with_name("exercise.py")


class Run:
    """Files ``first`` to ``last`` in one folder; restarts behind each file that ended its process."""

    def __init__(self, folder: Path, seed: int, first: int, last: int, program: Path = EXERCISE) -> None:
        self.folder, self.seed, self.next, self.last, self.program = folder, seed, first, last, program
        folder.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.heard, self.since = b"", time.monotonic()

    def start(self) -> None:
        numbers = map(str, (self.seed, self.next, self.last))
        with (self.folder / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, self.program, self.folder, *numbers], stdout=subprocess.PIPE, stderr=errors
            )
        # The good file is made first.
        self.since = time.monotonic() + HANG

    def charge(self, why: str) -> dict[str, Any]:
        assert self.process is not None
        self.process.kill()
        code = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        said = (self.folder / "stderr").read_text(errors="replace")[-500:]
        self.next += 1
        return {
            "number": self.seed + self.next - 1,
            "became": "wrong",
            "why": f"{why} (exit code {code}) {said}",
        }

    def step(self) -> Iterator[dict[str, Any]]:
        """What it has said since; nothing where it is still at work."""
        if self.process is None:
            self.start()
        assert self.process is not None
        assert self.process.stdout is not None
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        if not poll.poll(100):
            if time.monotonic() - self.since > HANG:
                yield self.charge("hang")
            return
        more = self.process.stdout.read1(65_536)
        if not more:
            yield self.charge("crash")
            return
        self.since = max(self.since, time.monotonic())
        *lines, self.heard = (self.heard + more).split(b"\n")
        for line in lines:
            self.next += 1
            yield json.loads(line)

    @property
    def done(self) -> bool:
        return self.next >= self.last

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def run(
    folder: Path, first: int, count: int, *, seed: int = 0, program: Path = EXERCISE
) -> Iterator[dict[str, Any]]:
    """What became of each file, from two processes side by side."""
    middle = first + count // 2
    runs = [
        Run(folder / "a", seed, first, middle, program),
        Run(folder / "b", seed, middle, first + count, program),
    ]
    try:
        while runs := [each for each in runs if not each.done]:
            for each in runs:
                yield from each.step()
                if each.done:
                    each.close()
    finally:
        for each in runs:
            each.close()


def totals(answers: Iterator[dict[str, Any]]) -> tuple[Counter[str], list[dict[str, Any]]]:
    """How many became what, and those that are wrong."""
    count: Counter[str] = Counter()
    wrong = []
    for answer in answers:
        count[answer["became"]] += 1
        if answer["became"] == "wrong":
            wrong.append(answer)
    return count, wrong
