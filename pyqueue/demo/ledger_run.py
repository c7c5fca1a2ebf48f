"""Drives ``pyqueue demo ledger``: a host, two workers, random SIGKILLs of all of them, and an audit at the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import IO, Final, TextIO

from pyqueue.demo import ledger
from pyqueue.demo.files import claim_files
from pyqueue.demo.processes import WorkerProcess, children, kill
from pyqueue.demo.progress import Progress
from pyqueue.exceptions import QueueError

_TARGET: Final = "pyqueue.demo.ledger:app"
_REST: Final = 0.02
_STALLED_AFTER: Final = 120.0
_KILLED: Final = ("child", "child", "child", "worker", "host")
"""Who is killed, by chance: a child three times as often as a worker or the host."""


def run_ledger(
    transfers: int, db: str, *, force: bool, concurrency: int, kills: int, seed: int, out: TextIO = sys.stdout
) -> int:
    """Makes so many transfers under so many SIGKILLs; 0 if the books are right at the end, else 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    files = claim_files(db, force=force, ours={"pyqueue_meta", "account", "ordered", "entry"})
    ledger.app.use(files.db)
    # The first use makes the file; then the tables of the bank stand beside those of the queue.
    ledger.app.store.queues()
    ledger.prepare(files.db)
    start = time.monotonic()
    with open(files.log, "ab") as log, _Bank(files.db, transfers, concurrency, log) as bank:
        out.write(f"{transfers:,} transfers between {ledger.ACCOUNTS:,} accounts in {files.db}\n")
        killed = _to_the_end(
            bank, transfers, kills, random.Random(seed), Progress(transfers, "transfers", out)
        )
        bank.stop()
        seconds = time.monotonic() - start
        books = ledger.audit(files.db, sum(queue.succeeded for queue in ledger.app.store.queues()))
    out.write(_report(books, killed, seconds, transfers))
    wrong = books.wrong + ledger.app.store.examine()
    if books.ordered != transfers:
        wrong.append(f"{books.ordered:,} transfers were ordered, not {transfers:,}")
    for each in wrong:
        out.write(f"WRONG: {each}\n")
    if wrong:
        out.write(f"the workers' log is {files.log}\n")
    return 1 if wrong else 0


def _report(books: ledger.Books, killed: dict[str, int], seconds: float, transfers: int) -> str:
    told = ", ".join(
        f"{count:,} of {'children' if who == 'child' else f'{who}s'}" for who, count in killed.items()
    )
    lines = {
        "effects": f"{books.effects:,}",
        "jobs": f"{books.jobs:,}",
        "kills": f"{sum(killed.values()):,} ({told})",
        "doubled": f"{books.doubled:,}",
        "lost": f"{books.lost:,}",
        "sum": f"{books.total:,} cents, as at first"
        if books.total == books.expected
        else f"{books.total:,} cents",
        "time": f"{seconds:.1f} s, {transfers / seconds:,.0f} transfers/s",
    }
    return "".join(f"{name:8} {said}\n" for name, said in lines.items())


class _Bank:
    """The host and the workers; leaving it ends those that are left."""

    def __init__(self, db: str, transfers: int, concurrency: int, log: IO[bytes]) -> None:
        self._db, self._transfers, self._concurrency, self._log = db, transfers, concurrency, log
        self.workers: list[WorkerProcess] = []
        self._host: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Bank:
        for name in ("A", "B"):
            self._hire(name)
        for worker in self.workers:
            worker.wait_ready()
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for worker in self.workers:
            worker.close()

    def _hire(self, name: str) -> None:
        self.workers.append(WorkerProcess(name, _TARGET, self._db, self._concurrency, self._log))

    def _open(self) -> None:
        command = (sys.executable, "-m", "pyqueue.demo.ledger_host", self._db, str(self._transfers))
        self._host = subprocess.Popen(command, stderr=self._log)

    @property
    def ordering(self) -> bool:
        """Whether the host has not ordered everything yet."""
        return self._host is not None and self._host.poll() != 0

    def strike(self, who: str, chance: random.Random) -> bool:
        """Kills one and puts another in its place; False if there is none."""
        match who:
            case "child":
                found = [child for worker in self.workers for child in children(worker.pid)]
                if not found:
                    return False
                kill(chance.choice(found))
            case "worker":
                place = chance.randrange(len(self.workers))
                worker = self.workers.pop(place)
                worker.kill()
                worker.close()
                self._hire(worker.name)
            case _:
                if self._host is None or self._host.poll() is not None:
                    return False
                self._host.kill()
                self._host.wait()
                self._open()
        return True

    def look_after(self) -> None:
        """Starts anew what has ended by itself. Raises QueueError for a worker: that must not be."""
        if self._host is not None and self._host.poll() not in (None, 0):
            raise QueueError(f"the host ended with {self._host.returncode}; see {self._log.name}")
        for worker in self.workers:
            if not worker.alive:
                raise QueueError(f"worker {worker.name} ended; see {self._log.name}")

    def stop(self) -> None:
        if self._host is not None and self._host.poll() is None:
            self._host.kill()
            self._host.wait()
        for worker in self.workers:
            if worker.alive:
                worker.stop()


def _to_the_end(
    bank: _Bank, transfers: int, kills: int, chance: random.Random, progress: Progress
) -> dict[str, int]:
    """Returns whom it has killed when all transfers are done. Raises QueueError if nothing moves any more."""
    killed = dict.fromkeys(dict.fromkeys(_KILLED), 0)
    before, moved = -1, time.monotonic()
    store = ledger.app.store
    while True:
        done = sum(queue.succeeded for queue in store.queues())
        progress.update(done)
        if done >= transfers and not bank.ordering:
            progress.finish()
            return killed
        # In step with the work, so that the last kill falls before its end.
        while sum(killed.values()) < min(kills, kills * done // transfers + 1):
            who = chance.choice(_KILLED)
            killed[who] += bank.strike(who, chance)
            time.sleep(chance.uniform(0, 0.01))
        bank.look_after()
        if done != before:
            before, moved = done, time.monotonic()
        elif time.monotonic() - moved > _STALLED_AFTER:
            raise QueueError(
                f"no transfer was made for {_STALLED_AFTER:g} s; see {os.path.realpath(store.path)}.log"
            )
        time.sleep(_REST)
