"""A program: fills and empties a small disk under producers and a worker, again and again, and judges.

``python full_disk_cycles.py FOLDER CYCLES [no-reserve]``. What it saw is told on standard output in JSON; exits with 77 where this user may not mount. With ``no-reserve`` what the worker has set aside is taken away
before each fill: the outcomes must then not get through.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import small_disk
from processes import Started, until, write_app

from pyqueue import PyQueue
from pyqueue.exceptions import DiskFull, TimeoutError

MEGABYTES = 32
CHILDREN = 2
BATCH = 1_000

APP = """
import os, time
from pyqueue import PyQueue

app = PyQueue("{db}", durability="normal")
effects = os.open("{effects}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@app.task
def hold(name, door):
    os.write(effects, f"began {{name}}\\n".encode())
    while not os.path.exists(door): time.sleep(0.002)
    os.write(effects, f"ended {{name}}\\n".encode())
    return name

@app.task
def quick(name, ballast=""):
    os.write(effects, f"ended {{name}}\\n".encode())
"""


class Producer(threading.Thread):
    """Enqueues without a pause, once refused with one; knows what was taken in and what was not."""

    def __init__(self, db: Path) -> None:
        super().__init__(daemon=True)
        self.app = PyQueue(db, durability="normal")
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.wrong: list[str] = []
        self.full = threading.Event()
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            size, ballast = (BATCH, 100) if number % 50 == 0 else (1, 50_000)
            names = [f"p{number}.{at}" for at in range(size)]
            calls = [self.app.signature("app.quick", args=(name, "x" * ballast)) for name in names]
            try:
                self.app.enqueue_many(calls)
                self.taken += names
            except DiskFull:
                self.refused += names
                self.full.set()
            except Exception as error:
                self.wrong.append(f"enqueue raised {type(error).__name__}: {error}")
            if self.full.is_set():
                self.over.wait(0.005)


class Judge:
    """One disk, its worker and its producer."""

    def __init__(self, folder: Path, disk: Path, reserve: bool) -> None:
        self.folder, self.disk, self.reserve = folder, disk, reserve
        self.effects = folder / "effects"
        self.effects.touch()
        self.reading = self.effects.open()
        self.seen: Counter[str] = Counter()
        self.app = PyQueue(disk / "jobs.db", durability="normal")
        self.producer = Producer(disk / "jobs.db")
        self.asked: list[str] = []
        self.found: list[str] = []

    def lines(self) -> Counter[str]:
        """What the tasks have noted so far, and how often."""
        while (line := self.reading.readline()).endswith("\n"):
            self.seen[line.rstrip()] += 1
        self.reading.seek(self.reading.tell() - len(line))
        return self.seen

    def room(self) -> list[str]:
        """Who has the disk, and what waits: for whoever looks for the cause of a failure."""
        free = os.statvfs(self.disk)
        sizes = [f"{path.name}: {path.stat().st_size:,}" for path in self.disk.rglob("*") if path.is_file()]
        with closing(sqlite3.connect(self.disk / "jobs.db")) as connection:
            spare = connection.execute("PRAGMA freelist_count").fetchone()[0]
        waiting = {queue.name: (queue.waiting, queue.running) for queue in self.app.store.queues()}
        return [*sizes, f"free: {free.f_bavail * free.f_frsize:,}", f"spare pages: {spare:,}", f"{waiting}"]

    def squeeze(self) -> None:
        """Takes the last room for a small job, if that is not kept."""
        for at in itertools.count():
            name = f"s{len(self.asked)}.{at}"
            try:
                self.app.send_task("app.quick", (name,))
            except DiskFull:
                return
            self.asked.append(name)

    def cycle(self, number: int, worker: Started) -> None:
        door = self.folder / f"door{number}"
        names = [f"h{number}.{at}" for at in range(CHILDREN)]
        held = [self.app.signature("app.hold", args=(name, str(door)), priority=9) for name in names]
        results = self.app.enqueue_many(held)
        self.asked += names
        until(lambda: all(self.lines()[f"began {name}"] for name in names), what="the jobs to hold run")
        reserve = self.disk / "jobs.db-pyqueue" / "reserve"
        if not self.reserve:
            reserve.unlink(missing_ok=True)
        small_disk.fill(self.disk)
        self.producer.full.clear()
        until(self.producer.full.is_set, what="the producer is refused")
        self.squeeze()
        door.touch()
        try:
            for result in results:
                result.get(timeout=15 if self.reserve else 1)
        except TimeoutError:
            self.found.append("an outcome did not get through on the full disk")
        if worker.process.poll() is not None:
            self.found.append("the worker has ended")
        small_disk.empty(self.disk)
        if not self.reserve:
            return
        self.producer.full.clear()
        until(lambda: self.taken(f"l{number}"), timeout=30, what="a job is taken in again")
        until(lambda: self.lines()[f"ended l{number}"], timeout=30, what="all before it are worked off")

    def taken(self, name: str) -> bool:
        try:
            self.app.send_task("app.quick", (name,))
        except DiskFull:
            return False
        self.asked.append(name)
        return True

    def end(self) -> None:
        self.producer.over.set()
        self.producer.join()
        self.found += self.producer.wrong
        expected = {f"ended {name}" for name in self.producer.taken + self.asked}
        until(lambda: expected <= self.lines().keys(), timeout=30, what="all that was taken in has ended")
        ended = {line: count for line, count in self.lines().items() if line.startswith("ended")}
        if ended.keys() != expected:
            self.found.append(f"{len(ended.keys() - expected)} jobs ran that were refused")
        if max(ended.values()) > 1:
            self.found.append(f"{sum(count > 1 for count in ended.values())} jobs ran twice")
        with closing(sqlite3.connect(self.disk / "jobs.db")) as connection:
            integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if integrity != "ok":
            self.found.append(f"integrity_check: {integrity}")


def main(folder: Path, cycles: int, reserve: bool) -> int:
    disk = folder / "disk"
    disk.mkdir()
    try:
        small_disk.mount(disk, MEGABYTES)
    except OSError as error:
        print(error, file=sys.stderr)
        return small_disk.NOT_ALLOWED
    db = disk / "jobs.db"
    write_app(folder, APP.format(db=db, effects=folder / "effects"))
    judge = Judge(folder, disk, reserve)
    arguments = ("-m", "pyqueue", "worker", "-A", "app.py", "-c", str(CHILDREN))
    with Started(folder, *arguments, env={"PYQUEUE_HISTORY_COUNT": "10000"}, name="worker") as worker:
        worker.wait_said(" ready: ")
        judge.producer.start()
        for number in range(cycles):
            try:
                judge.cycle(number, worker)
            except AssertionError:
                log = worker.log.read_text().splitlines()[-20:]
                print(f"in cycle {number}:", *judge.room(), *log, sep="\n", file=sys.stderr)
                raise
        if reserve:
            judge.end()
        log = worker.log.read_text()
    report = {
        "found": sorted(set(judge.found)),
        "taken": len(judge.producer.taken),
        "refused": len(judge.producer.refused),
        "told": [log.count("the disk is full: new jobs"), log.count("there is room on the disk again")],
        "errors": [line for line in log.splitlines() if " ERROR " in line],
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), "no-reserve" not in sys.argv))
