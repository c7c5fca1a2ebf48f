"""Drives ``pyqueue demo catalog``: real workers, two kills, progress, and a check of everything at the end."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import IO, Final, NamedTuple, TextIO

from pyqueue.demo.catalog import SCHEMA, app, catalog_files, connect
from pyqueue.demo.files import Files, claim_files
from pyqueue.demo.processes import WorkerProcess
from pyqueue.demo.progress import Progress
from pyqueue.demo.report import Findings, examine, table
from pyqueue.demo.tree import Tree, chunked, walk, write_sums
from pyqueue.demo.victims import Held, kill_child, kill_worker
from pyqueue.exceptions import ImproperlyConfigured, QueueError

_TARGET: Final = "pyqueue.demo.catalog:app"
_BATCH: Final = 1_000
_KILL_CHILD_AT: Final = 0.25
_KILL_WORKER_AT: Final = 0.50
_STALLED_AFTER: Final = 120.0


class Ran(NamedTuple):
    """What the driver saw: jobs that were in killed processes, and how long all took."""

    held: list[Held]
    seconds: float


def run_catalog(root: str, db: str, *, force: bool, concurrency: int, out: TextIO = sys.stdout) -> int:
    """Catalogues the tree at ``root``; 0 if every check at the end holds, else 1."""
    # The tree may be this Python's own library, and must not get compiled files while it is read.
    sys.dont_write_bytecode = True
    files = claim_files(db, force=force)
    tree = _walked(root, files, out)
    app.use(files.db)
    jobs = _enqueued(files.root(root), tree)
    out.write(f"{len(jobs):,} jobs of up to {len(tree.files) // len(jobs) + 1} files are in {files.db}\n")
    with contextlib.closing(connect(files.db)) as connection:
        connection.executescript(SCHEMA)
        with open(files.log, "ab") as log, _Crew(files, concurrency, log) as crew:
            ran = _Drive(connection, crew, len(jobs), out).to_the_end()
        findings = examine(app.store, connection, tree, jobs, ran.held)
        lines = write_sums(connection, files.sums)
    _report(findings, ran, files, out)
    out.write(
        f"\n{files.sums} has {lines:,} lines; confirm them with:\n"
        f"  cd {shlex.quote(files.root(root))} && sha256sum --quiet -c {shlex.quote(files.sums)}\n"
    )
    return 1 if findings.wrong else 0


def _walked(root: str, files: Files, out: TextIO) -> Tree:
    if not os.path.isdir(root):
        raise ImproperlyConfigured(f"{root} is no folder")
    start = time.monotonic()
    tree = walk(files.root(root), files.ours)
    if not tree.files:
        raise ImproperlyConfigured(f"there is no regular file below {root}")
    out.write(f"{len(tree.files):,} files found below {root} in {time.monotonic() - start:.1f} s\n")
    if tree.unreadable:
        out.write(
            f"{len(tree.unreadable):,} folders can't be read and are left out: {tree.unreadable[0]} …\n"
        )
    return tree


def _enqueued(root: str, tree: Tree) -> list[str]:
    signatures = [catalog_files.s(root, chunk) for chunk in chunked(tree.files)]
    return [
        result.id
        for start in range(0, len(signatures), _BATCH)
        for result in app.enqueue_many(signatures[start : start + _BATCH])
    ]


def _report(findings: Findings, ran: Ran, files: Files, out: TextIO) -> None:
    for line in findings.histories:
        out.write(f"{line}\n")
    out.write(f"\n{table(findings, ran.seconds)}\n")
    for wrong in findings.wrong:
        out.write(f"WRONG: {wrong}\n")
    if findings.wrong:
        out.write(f"the workers' log is {files.log}\n")


class _Crew:
    """The workers of the run; leaving it stops those that are left."""

    def __init__(self, files: Files, concurrency: int, log: IO[bytes]) -> None:
        self._files = files
        self._concurrency = concurrency
        self._log = log
        self.workers: list[WorkerProcess] = []

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.stop()
            worker.close()

    def hire(self, name: str) -> WorkerProcess:
        worker = WorkerProcess(name, _TARGET, self._files.db, self._concurrency, self._log)
        self.workers.append(worker)
        return worker

    def require_alive(self) -> None:
        if not any(worker.alive for worker in self.workers):
            raise QueueError(f"no worker is left; their log is {self._files.log}")


class _Drive:
    """Watches the jobs being done, and kills on the way."""

    def __init__(self, connection: sqlite3.Connection, crew: _Crew, total: int, out: TextIO) -> None:
        self._connection = connection
        self._crew = crew
        self._total = total
        self._out = out
        self._held: list[Held] = []

    def to_the_end(self) -> Ran:
        start = time.monotonic()
        first, second = self._crew.hire("A"), self._crew.hire("B")
        for worker in (first, second):
            worker.wait_ready()
        progress = Progress(self._total, "jobs", self._out)
        progress.say(f"workers A (pid {first.pid}) and B (pid {second.pid}) are ready")
        kills = self._kills(first, second, progress)
        for done in self._counted():
            progress.update(done)
            next(kills, None)
        seconds = time.monotonic() - start
        progress.finish()
        return Ran(self._held, seconds)

    def _counted(self) -> Iterator[int]:
        """Finished jobs, again and again, until it is all of them. Raises QueueError if nothing moves any more."""
        before, moved = -1, time.monotonic()
        while True:
            done = self._done()
            yield done
            if done >= self._total:
                return
            if done != before:
                before, moved = done, time.monotonic()
            elif time.monotonic() - moved > _STALLED_AFTER:
                raise QueueError(f"no job has ended for {_STALLED_AFTER:g} s")
            self._crew.require_alive()
            time.sleep(0.005)

    def _done(self) -> int:
        return sum(queue.succeeded + queue.failed for queue in app.store.queues())

    def _kills(self, first: WorkerProcess, second: WorkerProcess, progress: Progress) -> Iterator[None]:
        """Each step tries once; the next kill comes only after the one before."""
        while self._done() < self._total * _KILL_CHILD_AT:
            yield
        while not (held := kill_child(self._connection, first)):
            yield
        self._note(held, f"killed child {held[0].pid} of worker A", progress)
        while self._done() < self._total * _KILL_WORKER_AT:
            yield
        while not (held := kill_worker(self._connection, second)):
            yield
        self._note(held, f"killed worker B (pid {second.pid}) and with it its children", progress)
        third = self._crew.hire("C")
        progress.say(f"worker C (pid {third.pid}) takes its place")

    def _note(self, held: list[Held], what: str, progress: Progress) -> None:
        self._held += held
        jobs = ", ".join(f"{each.job} (attempt {each.attempt})" for each in held)
        progress.say(f"SIGKILL at {100 * self._done() // self._total}%: {what}, in the middle of job {jobs}")
