"""``python scenarios.py NAME COUNT FOLDER``: one kind of work so many times, to be counted."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pyqueue import PyQueue
from pyqueue._core import Events, Job, Outcome
from pyqueue.worker.run_job import run_job

BATCH = 100
DONE = Outcome.success(b'{"v":1,"result":null}', "application/json")


def main(name: str, count: int, folder: Path, *, wasteful: bool, followed: bool) -> None:
    app = PyQueue(Path(tempfile.mkdtemp(dir=folder)) / "jobs.db", durability="normal")

    @app.task
    def nothing(n: int) -> None:
        if wasteful:
            sum(range(1_000))
            folder.stat()

    def many() -> None:
        app.enqueue_many([nothing.s(n) for n in range(BATCH)])

    if followed:
        Events(app.store).until(1 << 62)
    many()
    store = app.store
    worker = store.join("cost", 1, 60_000_000)

    def claimed() -> list[Job]:
        return store.claim(worker, BATCH)

    match name:
        case "delay":
            for n in range(count):
                nothing.delay(n)
        case "many":
            for _ in range(count // BATCH):
                many()
        case "finish":
            for _ in range(count // BATCH):
                store.finish([(job, DONE) for job in claimed()])
                many()
        case "run":
            jobs = claimed()
            for n in range(count):
                run_job(app, jobs[n % BATCH], "cost")


if __name__ == "__main__":
    main(
        sys.argv[1],
        int(sys.argv[2]),
        Path(sys.argv[3]),
        wasteful="wasteful" in sys.argv,
        followed="followed" in sys.argv,
    )
