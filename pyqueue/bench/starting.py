"""What it costs to import the package, to ask for the status, and to do real work from start to end."""

from __future__ import annotations

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

from pyqueue.bench.figures import Figures
from pyqueue.bench.place import Place
from pyqueue.exceptions import QueueError


def starting(place: Place) -> Figures:
    """Instructions of ``import pyqueue`` in bare interpreters (valgrind), CPU seconds of ``pyqueue status``."""
    place.fill(place.many(1_000))
    status = (sys.executable, "-m", "pyqueue", "status", "--db", place.db)
    subprocess.run(status, stdout=subprocess.DEVNULL, check=True)
    spent = [_cpu_of(status) for _ in range(place.many(10, least=3))]
    found = {"status_cpu_s": statistics.median(spent), "bare_cpu_s": _cpu_of((sys.executable, "-c", "pass"))}
    if shutil.which("valgrind") is not None:
        bare = _instructions(place, "pass")
        found["import_to_bare"] = _instructions(place, "import pyqueue") / bare
        found["face_to_bare"] = _instructions(place, "from pyqueue import PyQueue") / bare
    return found


def catalogue(place: Place) -> Figures:
    """``pyqueue demo catalog`` over this Python's library: real files, a child and a worker killed on the way."""
    start = time.perf_counter()
    done = subprocess.run(
        (
            sys.executable,
            "-m",
            "pyqueue",
            "demo",
            "catalog",
            "--db",
            os.path.join(place.folder, "catalog.db"),
        ),
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    files = re.search(r"^([\d,]+) files found", done.stdout, re.MULTILINE)
    if done.returncode != 0 or files is None:
        raise QueueError(f"pyqueue demo catalog ended with {done.returncode}: {done.stdout}{done.stderr}")
    return {"seconds": seconds, "files": int(files[1].replace(",", ""))}


def _cpu_of(command: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _instructions(place: Place, program: str) -> int:
    """Of a fresh interpreter with bytecode in place."""
    command = [sys.executable, "-c", program]
    subprocess.run(command, check=True)
    counted = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    found = re.search(r"Collected : (\d+)", counted.stderr)
    if found is None:
        raise QueueError(f"valgrind counted nothing: {counted.stderr}")
    return int(found[1])
