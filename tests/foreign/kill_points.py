"""Runs one transaction again and again, each time in a process that is killed at the next point of it.

Points are counted by the driver's own word: a statement is about to begin, or the driver's function has just returned
from it. One line of JSON a round: its number, where it died, and how many commits had begun before.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from foreign.libraries import LIBRARIES, Hand

from pyqueue import PyQueue
from pyqueue.cli.sql import COLUMNS, enqueue

PLAIN = "plain sql"
"""Any client with the statement that the command line shows."""

JOBS = 4
"""How many jobs one transaction makes."""


class Death:
    """Kills its process before the n-th statement, or as soon as the driver's function has returned from it."""

    def __init__(self, at: int, after: bool, told: int) -> None:
        self.at = at
        self.after = after
        self.told = told
        self.statements = 0
        self.armed = 0

    def begins(self, statement: str) -> None:
        self.statements += 1
        if self.statements == self.at:
            os.write(self.told, statement.encode())
            if not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            # From here on the next function written in C that returns in this thread is the driver's.
            self.armed = threading.get_ident()

    def returns(self, _frame: FrameType, event: str, _function: Any) -> None:
        if self.armed and event == "c_return" and self.armed == threading.get_ident():
            os.kill(os.getpid(), signal.SIGKILL)


def sale(app: PyQueue, hand: Hand, n: int, by_sql: bool, joined: bool) -> None:
    """The application's rows and the jobs that belong to them, in one transaction."""
    hand.begin()
    if joined:
        hand.execute("INSERT INTO sale VALUES(?)", n)
    if by_sql:
        for part in range(JOBS):
            usual = {"queue": "default", "priority": 0, "dedup": "return", "max_losses": 5}
            call = {"v": 1, "args": [n, part], "kwargs": {}}
            given = usual | {"id": f"{n}-{part}", "task": "note", "body": json.dumps(call).encode()}
            hand.connection.execute(enqueue(), dict.fromkeys(COLUMNS) | given)
    else:
        with app.using(hand.connection) if joined else nullcontext():
            app.send_task("note", (n, 0))
            app.send_task("note", (n, 1), dedup_key=f"key {n}")
            app.enqueue_many(app.signature("note", (n, part)) for part in range(2, JOBS))
    hand.execute("INSERT INTO sale VALUES(?)", n)
    if not joined:
        # Not earlier: the queue's own connection would have to wait for this one.
        hand.execute("INSERT INTO sale VALUES(?)", n)
    hand.commit()


def one_round(library: str, path: Path, n: int, at: int, after: bool, joined: bool, told: int) -> None:
    """The process that is killed, unless its transaction has fewer statements."""
    death = Death(at, after, told)
    app = PyQueue(path, embed=True, durability="normal")

    def scenario(hand: Hand) -> None:
        hand.trace(death.begins)
        sys.setprofile(death.returns)
        sale(app, hand, n, library == PLAIN, joined)

    # aiosqlite's thread calls the driver, and starts before the scenario does.
    threading.setprofile(death.returns)
    LIBRARIES.get(library, LIBRARIES["sqlite3"])(path, scenario)


def main(library: str, path: Path, joined: bool) -> None:
    # What is imported here, each round need not import.
    LIBRARIES.get(library, LIBRARIES["sqlite3"])(
        path.with_name("warm.db"), lambda hand: hand.execute("SELECT 1")
    )
    n = 0
    for after in (False, True):
        at = 0
        while True:
            n, at = n + 1, at + 1
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    one_round(library, path, n, at, after, joined, writing)
                    code = 0
                finally:
                    os._exit(code)
            os.close(writing)
            with os.fdopen(reading) as pipe:
                statement = pipe.read()
            _, status = os.waitpid(pid, 0)
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            if not killed and status != 0:
                sys.exit(f"round {n} of {library} failed")
            print(json.dumps({"n": n, "after": after, "statement": statement, "killed": killed}), flush=True)
            if not killed:
                break


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "joined")
