"""Many processes that make jobs while a worker runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass

from pyqueue.bench.figures import Figures, milliseconds
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError


@dataclass
class Crowd:
    """What the producers did: how long each call took (ns), by process, and the seconds they were at it."""

    calls: list[array[int]]
    seconds: float
    done: int
    """Jobs that had been run when the time was over."""


def mixed(place: Place) -> Figures:
    """4 processes call ``delay()``, 2 children run the jobs: what goes through, and how long a job waits."""
    crowd = _with_worker(place, 4, place.seconds(60, least=2))
    made = sum(map(len, crowd.calls))
    waits = milliseconds(place.tallies.notes(), 50, 99, 99.9)
    return {"rate": crowd.done / crowd.seconds, "made": made, "done": crowd.done, **waits}


def writers(place: Place) -> Figures:
    """8 processes call ``delay()`` beside a worker: the slowest calls, and whether all get their turn."""
    crowd = _with_worker(place, 8, place.seconds(15, least=2))
    counts = [len(each) for each in crowd.calls]
    calls = [took for each in crowd.calls for took in each]
    return {
        "least_to_most": min(counts) / max(counts),
        "rate": sum(counts) / crowd.seconds,
        **milliseconds(calls, 50, 99, 99.9, 100),
    }


def _with_worker(place: Place, producers: int, seconds: float) -> Crowd:
    with place.worker(2):
        place.tasks.nothing.delay(0).get(timeout=10)
        before = place.tallies.total()
        paths = [os.path.join(place.folder, f"calls-{number}") for number in range(producers)]
        crew = [
            subprocess.Popen(
                (sys.executable, "-m", "pyqueue.bench.producer", str(seconds), path),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for path in paths
        ]
        for each in crew:
            assert each.stdout is not None
            each.stdout.readline()
        start = time.perf_counter()
        for each in crew:
            assert each.stdin is not None
            each.stdin.close()
        time.sleep(seconds)
        done, passed = place.tallies.total() - before, time.perf_counter() - start
        for each in crew:
            if each.wait() != 0:
                raise QueueError("a producer failed")
        made = [_read(path) for path in paths]
        expected = before + sum(map(len, made))
        place.until(lambda: place.tallies.total() >= expected, every=0.05)
    return Crowd(made, passed, done)


def _read(path: str) -> array[int]:
    calls = array("q")
    with open(path, "rb") as file:
        calls.frombytes(file.read())
    return calls
