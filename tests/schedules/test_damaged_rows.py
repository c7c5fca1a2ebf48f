"""A row that somebody has damaged is told of, and keeps nothing else from being fired."""

from __future__ import annotations

import copy
import logging
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import InvalidSchedule
from pyqueue.periodic import Periodic
from pyqueue.schedules import crontab
from pyqueue.serialization import decode_result, encode_result
from pyqueue.worker.ticking import Tick

WRONG: list[Any] = [
    *(None, True, -1, 0, 1, 5.5, 10**30, "", "x", "\0", "UTC", "* * * * *", "0 0 30 2 *", [], [1], ["x"], {}),
    *({"cron": 5}, {"every_us": 10**30}, {"every_us": 0}, {"x": 1}, [[]], {"queue": 5}, {"link": ["x"]}),
]


def places(form: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = form.items() if isinstance(form, dict) else enumerate(form) if isinstance(form, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def damaged(form: Any, dice: random.Random) -> Any:
    """One value is another, or gone."""
    form = copy.deepcopy(form)
    *path, last = dice.choice([place for place in places(form) if place])
    inner = form
    for key in path:
        inner = inner[key]
    if dice.random() < 0.2:
        del inner[last]
    else:
        inner[last] = dice.choice(WRONG)
    return form


def test_damage_is_told_of_and_fires_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    app.task(name="t")(lambda *_, **__: None)
    rules = {"jitter": 1, "catch_up": "all", "deadline": 1e6, "overlap": "skip", "zone": "Europe/Berlin"}
    options = {"queue": "q", "priority": 3, "time_limit": 5, "headers": {"a": 1}, "dedup_key": "k"}
    app.schedules.add(
        "bad", crontab(zone="Europe/Berlin"), "t", (1, [2]), {"k": "v"}, options=options, **rules
    )
    app.schedules.add("good", 60, "t")
    row = app.schedules.rows.get("bad")
    assert row is not None
    form = decode_result(row.definition)
    dice = random.Random(7)
    now, told = app.store.now_us(), []
    with caplog.at_level(logging.CRITICAL):
        for _ in range(300):
            body = encode_result(damaged(form, dice), "it")
            try:
                Periodic.decoded("bad", body)
            except InvalidSchedule as error:
                told.append(str(error))
            connection = sqlite3.connect(app.path)
            connection.execute("UPDATE pyqueue_schedule SET definition=? WHERE name='bad'", [body])
            connection.commit()
            connection.close()
            now += 60_000_000
            Tick(app, lambda: now).fire()  # noqa: B023
    good = app.schedules.get("good")
    assert good is not None
    assert good.fired == 300
    assert 100 < len(told) < 300
    assert all("schedule bad can't be read" in each for each in told)
