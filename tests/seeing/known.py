"""A file with known data: jobs that ended, run and wait, at times that the test says."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from pyqueue import PyQueue, group
from pyqueue._core import Failure, Outcome

DONE = Outcome.success(b'{"v":1,"result":null}', "application/json")
DIED = Outcome.lost("its process was killed")


def failed(error: str, message: str) -> Outcome:
    return Outcome.failure(Failure(error, message))


def again(error: str) -> Outcome:
    return Outcome.retry(0, Failure(error, "once more"))


class Known:
    """An app with a worker that does what the test says."""

    def __init__(self, path: Path) -> None:
        # The application's own table: the queue is a guest.
        self.sql(path, "CREATE TABLE invoice(id INTEGER PRIMARY KEY, customer TEXT NOT NULL)")
        self.app = PyQueue(path, embed=True, durability="normal")
        self.path = path
        self.worker = self.app.store.join("w1", 4, 600_000_000)

    @staticmethod
    def sql(path: Path, text: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(path)
        with connection:
            rows = connection.execute(text, values).fetchall()
        connection.close()
        return rows

    def ask(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.sql(self.path, text, values)

    def life(self, task: str, *args: Any, outcomes: list[Outcome], ago: float = 60, ran: float = 1) -> str:
        """A job that ended ``ago`` seconds ago, each of whose attempts took ``ran`` seconds."""
        job = self.app.send_task(task, args, max_losses=1)
        for outcome in outcomes:
            [taken] = self.app.store.claim(self.worker, 1)
            assert taken.id == job.id
            self.app.store.finish([(taken, outcome)])
            self.ask(
                "UPDATE pyqueue_history SET finished=?1-?2, started=?1-?2-?3, enqueued=?1-?2-?3-2000000 "
                "WHERE seq=(SELECT max(seq) FROM pyqueue_history)",
                self.app.store.now_us(),
                round(ago * 1e6),
                round(ran * 1e6),
            )
        return job.id

    def nightly(self) -> list[str]:
        """A workflow of three of which the first job has succeeded; the ids."""
        steps = [self.app.signature(f"nightly.{name}") for name in ("dump", "sweep", "mail")]
        jobs = group(steps).apply_async(task_id="nightly")
        [taken] = self.app.store.claim(self.worker, 1)
        self.app.store.finish([(taken, DONE)])
        return [each.id for each in jobs.results]


def message(*args: Any) -> str:
    return json.dumps({"v": 1, "args": list(args), "kwargs": {}}, separators=(",", ":"))
