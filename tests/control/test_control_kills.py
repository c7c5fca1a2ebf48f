"""Workers are killed while they obey: each command is obeyed by those it was for, by each at most once."""

from __future__ import annotations

import random
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from pyqueue._core import Commands
from pyqueue.exceptions import NoAnswer

Worker = Callable[..., Any]
Eventually = Callable[..., None]
NAMES = ("a@host", "b@host", "c@host")
ROUNDS = 40
SOURCE = """
import os, time
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.control_command(args=[("n", int)])
def note(state, n):
    line = f"{n} {os.getpid()}\\n".encode()
    file = os.open("noted", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    time.sleep(0.01)
    return {"ok": os.getpid()}
"""


def test_no_worker_obeys_twice_or_what_was_for_its_forerunner(
    tasks: Any, worker: Worker, eventually: Eventually
) -> None:
    app, chance = tasks.app, random.Random(1)
    start = lambda name: worker("-A", tasks.__project__.file.name, "-c", "1", "-n", name)  # noqa: E731
    there = {name: start(name) for name in NAMES}
    meant: dict[int, set[int]] = {}
    for number in range(ROUNDS):
        eventually(lambda: len(Commands(app.store).workers()) == len(NAMES), 30)
        meant[number] = {each.pid for each in there.values()}
        app.control.broadcast("note", {"n": number}, expires=30)
        if number % 5 == 4:
            name = chance.choice(NAMES)
            time.sleep(chance.uniform(0, 0.03))
            there[name].process.kill()
            there[name].process.wait()
            there[name] = start(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoAnswer)
        eventually(lambda: len(app.control.ping(timeout=10)) == len(NAMES), 30)

    def settled() -> bool:
        return all(
            reply.stand in ("ok", "gone") for each in app.control.history(100) for reply in each.replies
        )

    eventually(settled, 30)
    noted = Counter(
        tuple(map(int, line.split()))
        for line in (tasks.__project__.folder / "noted").read_text().splitlines()
    )
    assert set(noted.values()) == {1}, "none has obeyed twice"
    assert [(n, pid) for n, pid in noted if pid not in meant[n]] == [], "nor what was not for it"
    stands = Counter(reply.stand for each in app.control.history(100) for reply in each.replies)
    assert stands["ok"] + stands["gone"] == ROUNDS * len(NAMES)
    assert stands["ok"] <= len(noted) <= ROUNDS * len(NAMES), "who says that it has obeyed has"
    assert stands["ok"] >= ROUNDS * 2, "control: two of three were not even killed"
