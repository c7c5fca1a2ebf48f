"""Schedulers that race for the same file under a clock of the test's own: they die and come back, their clock is put
forward and back, and their code is deployed anew."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from calendar_of import every_hour, named

from pyqueue import PyQueue
from pyqueue._core import Schedules
from pyqueue.schedules import crontab
from pyqueue.wall_times import us_of
from pyqueue.worker.ticking import Tick

HOUR_US = 3_600_000_000
SCHEDULERS = 3
STEPS = (-HOUR_US, HOUR_US)


class Plan(NamedTuple):
    """A schedule of the world, and when it should come."""

    name: str
    fields: dict[str, Any]
    zone: str
    times: list[datetime]


def plans(zones: Sequence[str], start: datetime, end: datetime) -> list[Plan]:
    """Three for each zone: a time that many clocks skip or show twice, midnight, and each hour of Sundays."""
    found = []
    for zone in zones:
        night = named(zone, start, end, lambda at: (at.hour, at.minute) == (2, 30))
        midnight = named(zone, start, end, lambda at: (at.hour, at.minute) == (0, 0))
        sundays = every_hour(
            zone,
            start,
            end,
            lambda at: at.minute == 30 and at.isoweekday() == 7 and at.month in (3, 4, 9, 10, 11),
        )
        hourly = {"minute": 30, "day_of_week": "sun", "month_of_year": "3,4,9-11"}
        found += [
            Plan(f"{zone} night", {"minute": 30, "hour": 2}, zone, night),
            Plan(f"{zone} midnight", {"minute": 0, "hour": 0}, zone, midnight),
            Plan(f"{zone} hourly", hourly, zone, sundays),
        ]
    return found


class World:
    """The file and those who fire its schedules."""

    def __init__(self, path: Path, wanted: Sequence[Plan], start: datetime, seed: int) -> None:
        self.path = path
        self.wanted = wanted
        self.dice = random.Random(seed)
        self.true_us = us_of(start) - 1
        self.shift_us = 0
        self.schedulers: list[Tick | None] = [None] * SCHEDULERS
        self.seen: Counter[str] = Counter()
        self.restart()

    def now_us(self) -> int:
        """What every clock of the machine shows."""
        return self.true_us + self.shift_us

    def app(self, plans: Sequence[Plan]) -> PyQueue:
        app = PyQueue(self.path, durability="normal")
        app.task(name="t")(int)
        for plan in plans:
            when = crontab(**plan.fields, zone=plan.zone)
            app.add_periodic_task(when, "t", name=plan.name, catch_up="all")
        return app

    def restart(self) -> None:
        """Those that are not there come up, with the same code."""
        for at, there in enumerate(self.schedulers):
            if there is None:
                tick = Tick(self.app(self.wanted), self.now_us)
                tick.declare("world", 0)
                self.schedulers[at] = tick

    def race(self) -> None:
        """All read what is due before the first of them fires it."""
        while True:
            alive = [tick for tick in self.schedulers if tick is not None]
            rows = Schedules(alive[0].store) if alive else None
            due = [(tick, rows.due(self.now_us(), 1_000)) for tick in alive] if rows is not None else []
            if not due or not due[0][1]:
                return
            self.dice.shuffle(due)
            for tick, seen in due:
                for row in seen:
                    self.seen[str(tick.fire_one(row))] += 1

    def until(self, end: datetime) -> None:
        """Lets time pass up to there."""
        end_us = us_of(end) - 1
        while self.true_us < end_us:
            self.race()
            self.trouble()
            alive = next((tick for tick in self.schedulers if tick is not None), None)
            if alive is None:
                self.true_us = min(end_us, self.true_us + self.dice.randrange(HOUR_US * 20))
                self.restart()
                continue
            due = Schedules(alive.store).next_due()
            pause = HOUR_US if due is None else max(0, due - self.now_us())
            self.true_us = min(end_us, self.true_us + pause)
        self.shift_us = 0
        self.restart()
        self.race()

    def trouble(self) -> None:
        """One thing in thirty goes wrong."""
        match self.dice.randrange(150):
            case 0:
                self.seen["steps"] += 1
                self.shift_us = self.dice.choice(STEPS) if self.shift_us == 0 else 0
            case 1:
                self.seen["deaths"] += 1
                self.schedulers[self.dice.randrange(SCHEDULERS)] = None
            case 2:
                self.seen["all dead"] += 1
                self.schedulers = [None] * SCHEDULERS
            case 3:
                self.restart()
            case 4:
                self.deploy()

    def deploy(self) -> None:
        """The code loses its schedules and gets them back, while the clock is put back."""
        self.restart()
        self.race()
        self.seen["deployments"] += 1
        Tick(self.app([]), self.now_us).declare("world", 0)
        if self.shift_us == 0:
            self.shift_us = -HOUR_US
        Tick(self.app(self.wanted), self.now_us).declare("world", 0)

    def jobs(self) -> Counter[tuple[str, datetime]]:
        """How many jobs there are for each time, by what they themselves say."""
        for tick in self.schedulers:
            if tick is not None:
                tick.store.close()
        with sqlite3.connect(self.path) as connection:
            bodies = [json.loads(body) for (body,) in connection.execute("SELECT payload FROM pyqueue_job")]
        connection.close()
        told = [body["headers"] for body in bodies]
        return Counter(
            (each["periodic_task_name"], datetime.fromisoformat(each["scheduled_for"])) for each in told
        )


def wrong(world: World) -> list[str]:
    """What does not hold of: each time once, and no other."""
    made = world.jobs()
    wanted = {(plan.name, at) for plan in world.wanted for at in plan.times}
    return [
        *(f"{name} {at} has {count} jobs" for (name, at), count in made.items() if count != 1),
        *(f"{name} {at} has none" for name, at in sorted(wanted - set(made))),
        *(f"{name} {at} is none of its times" for name, at in sorted(set(made) - wanted)),
    ]
