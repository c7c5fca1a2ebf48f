"""pyqueue's own measures. Each takes an empty folder and gives one figure."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyqueue import PyQueue
from pyqueue.loading import load
from pyqueue.task import Task

TASKS = """
from pyqueue import PyQueue

app = PyQueue({path!r}, durability={durability!r})

@app.task
def nothing(n):
    return None
"""


def make_app(folder: Path, durability: str) -> tuple[PyQueue, Path]:
    """A file with one task, and the app in it."""
    # Each folder has a name of its own, so each module has too.
    module = folder / f"{folder.name}.py"
    module.write_text(TASKS.format(path=str(folder / "jobs.db"), durability=durability))
    return load(str(module)).app, module


@contextmanager
def worker(module: Path, children: int) -> Iterator[float]:
    """A running worker; the seconds from exec to ready."""
    start = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "pyqueue",
        "worker",
        "-A",
        str(module),
        "-c",
        str(children),
        "-l",
        "error",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert " ready: " in process.stdout.readline()
        try:
            yield time.perf_counter() - start
        finally:
            process.send_signal(signal.SIGTERM)


def task_of(app: PyQueue) -> Task[..., None]:
    return next(iter(app.tasks.values()))


def delay_one_by_one(folder: Path, durability: str, count: int = 3_000) -> float:
    """``delay()`` calls a second from one thread."""
    app, _ = make_app(folder, durability)
    task = task_of(app)
    task.delay(0)
    start = time.perf_counter()
    for n in range(count):
        task.delay(n)
    return count / (time.perf_counter() - start)


def delay_from_threads(folder: Path, durability: str, threads: int = 16, each: int = 500) -> float:
    """``delay()`` calls a second from many threads."""
    app, _ = make_app(folder, durability)
    task = task_of(app)
    task.delay(0)
    crew = [threading.Thread(target=lambda: [task.delay(n) for n in range(each)]) for _ in range(threads)]
    start = time.perf_counter()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return threads * each / (time.perf_counter() - start)


def enqueue_many(folder: Path, durability: str, batch: int = 1_000, batches: int = 20) -> float:
    """Jobs a second through ``enqueue_many``."""
    app, _ = make_app(folder, durability)
    task = task_of(app)
    signatures = [task.s(n) for n in range(batch)]
    app.enqueue_many(signatures)
    start = time.perf_counter()
    for _ in range(batches):
        app.enqueue_many(signatures)
    return batch * batches / (time.perf_counter() - start)


def drain(folder: Path, durability: str, count: int = 50_000) -> float:
    """No-op tasks a second from a backlog with 2 children, results and history as by default."""
    app, module = make_app(folder, durability)
    task = task_of(app)
    for at in range(0, count, 10_000):
        app.enqueue_many([task.s(n) for n in range(at, at + 10_000)])
    with worker(module, 2):
        # What ran before the first look is not counted.
        first, start = app.store.queues()[0].succeeded, time.perf_counter()
        while (done := app.store.queues()[0].succeeded) < count:
            os.sched_yield()
            time.sleep(0.005)
        return (done - first) / (time.perf_counter() - start)


def round_trip_ms(folder: Path, durability: str, count: int = 300) -> float:
    """Milliseconds of ``delay().get()`` with an idle worker, median."""
    app, module = make_app(folder, durability)
    task = task_of(app)
    times = []
    with worker(module, 2):
        task.delay(0).get(timeout=10)
        for n in range(count):
            start = time.perf_counter()
            task.delay(n).get(timeout=10)
            times.append(time.perf_counter() - start)
    return sorted(times)[count // 2] * 1e3


def ready_s(folder: Path, durability: str) -> float:
    """Seconds from exec to ready with 2 children."""
    _, module = make_app(folder, durability)
    with worker(module, 2) as seconds:
        return seconds
