"""Children that can't start are tried again after growing pauses, with one line for all; and many of them work."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCE = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db")
if os.path.exists("no-memory"):
    raise MemoryError("no room for the model")

@app.task
def hold(path):
    open(f"{path}.{os.getpid()}", "w").close()
    while not os.path.exists(path): time.sleep(0.01)
    return os.getpid()

@app.task
def pid(): return os.getpid()

@app.task
def die(): os.kill(os.getpid(), 9)
"""

STARVED = """
import os, resource, sys, time
sys.path.insert(0, ".")
from {module} import app, die, pid

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

if __name__ == "__main__":
    with app.worker(concurrency=2):
        pid.delay().get(timeout=20)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # No number below 12 is free, and none above may be had, whatever is closed there.
        resource.setrlimit(resource.RLIMIT_NOFILE, (12, hard))
        kept = []
        try:
            while True: kept.append(os.dup(0))
        except OSError:
            pass
        lost = [die.apply_async(max_losses=1) for _ in range(2)]
        while any(result.state != "FAILURE" for result in lost): time.sleep(0.01)
        spent = cpu()
        time.sleep(2)
        print("cpu", cpu() - spent)
        for each in kept: os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        pid.delay().get(timeout=20)
        print("again")
"""
Worker = Callable[..., Any]
Eventually = Callable[..., None]


def test_no_memory_is_waited_for(tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "3")
    (tmp_path / "no-memory").touch()
    for _ in range(3):
        tasks.die.apply_async(max_losses=1).get(timeout=20, propagate=False)
    told = "could not start: MemoryError: no room for the model; another is started in"
    # The pauses add up to 1.5 s by then: three tries would have stopped the worker, were it the app's fault.
    eventually(lambda: f"{told} 0.8 s" in handle.log.read_text(), timeout=20)
    said = handle.log.read_text()
    assert [said.count(f"{told} {pause} s") for pause in (0.1, 0.2, 0.8)] == [1, 1, 1]
    assert "Traceback" not in said
    (tmp_path / "no-memory").unlink()
    assert tasks.pid.delay().get(timeout=30) in handle.children()


def test_no_descriptors_are_waited_for(tasks: Any, tmp_path: Path) -> None:
    script = tmp_path / "starved.py"
    script.write_text(STARVED.format(module=tasks.__project__.stem))
    done = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["again"]
    assert float(done.stdout.split()[1]) < 0.5, "no spin"
    told = [line for line in done.stderr.splitlines() if "Too many open files" in line]
    assert 1 <= len(told) <= 5, done.stderr


def test_a_low_limit_of_open_files_is_raised_or_refused(tasks: Any, worker: Worker) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def run(soft: int, hard: int, *more: str) -> subprocess.CompletedProcess[str]:
        limits = f"ulimit -Sn {soft} && ulimit -Hn {hard} && exec {sys.executable} -m pyqueue worker"
        command = ["bash", "-c", f'{limits} "$@"', "-", "-A", tasks.__project__.file.name, *more]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    refused = run(64, 100, "-c", "20")
    assert refused.returncode == 64
    assert refused.stderr.endswith(
        "100 open files are allowed, and a worker with 20 children needs 168: raise ulimit -n, or have fewer "
        "children\n"
    )
    result = tasks.pid.delay()
    assert run(64, min(hard, 4096), "-c", "20", "--burst").returncode == 0
    assert result.get(timeout=1)


def test_64_children_hold_64_jobs_at_once(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "64", ready=False)
    path = str(tmp_path / "go")
    first = tasks.pid.delay().get(timeout=30)
    # The first take jobs while the others still come up.
    assert first in handle.children()
    results = [tasks.hold.delay(path) for _ in range(64)]
    handle.wait_said(b"ready:", timeout=60)
    eventually(lambda: len(list(tmp_path.glob("go.*"))) == 64, timeout=60)
    [shown] = tasks.app.store.workers()
    assert (shown.busy, shown.children) == (64, 64)
    (tmp_path / "go").touch()
    assert len({result.get(timeout=60) for result in results}) == 64
    assert handle.stop(timeout=60) == 0
