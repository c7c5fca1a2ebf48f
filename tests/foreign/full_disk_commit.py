"""A disk that fills up between the last statement of a block and its commit. Says in JSON what was seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import small_disk

from pyqueue import PyQueue
from pyqueue.worker.run_job import run_job

LARGE = 300_000


def main(folder: Path) -> dict[str, Any]:
    app = PyQueue(folder / "jobs.db", embed=True, durability="normal")
    full = True

    @app.task(bind=True, name="store")
    def store(self: Any) -> None:
        with self.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS ledger(blob BLOB)")
            db.execute("INSERT INTO ledger VALUES(?)", (bytes(LARGE),))
            made.delay()
            if full:
                small_disk.fill(folder)

    @app.task(name="made")
    def made() -> None:
        pass

    call = store.delay()
    worker = app.store.join("here", 1, 60_000_000)
    [job] = app.store.claim(worker, 1)
    outcome = run_job(app, job, "here")
    small_disk.empty(folder)
    app.store.finish([(job, outcome)])
    failure = app.store.view(call.id).failure
    report = {
        "error": None if failure is None else failure.error,
        "message": None if failure is None else failure.message,
        "left": [each.task for each in app.store.claim(worker, 9)],
    }
    full = False
    again = store.delay()
    [job] = app.store.claim(worker, 1)
    app.store.finish([(job, run_job(app, job, "here"))])
    report["again"] = again.state
    report["made"] = [each.task for each in app.store.claim(worker, 9)]
    report["wrong"] = app.store.examine()
    return report


if __name__ == "__main__":
    disk = Path(sys.argv[1])
    try:
        small_disk.mount(disk, 64)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(small_disk.NOT_ALLOWED)
    print(json.dumps(main(disk)))
