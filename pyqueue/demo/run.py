"""Drives ``pyqueue demo catalog``: real workers, two kills, progress, and a check of everything at the end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from typing import IO, Any, Final, TextIO

from pyqueue import chord
from pyqueue.demo.catalog import SCHEMA, app, catalog_files, connect, merge, report
from pyqueue.demo.files import Files, claim_files
from pyqueue.demo.processes import WorkerProcess
from pyqueue.demo.progress import Progress
from pyqueue.demo.report import Findings, examine, table
from pyqueue.demo.tree import Tree, chunked, walk, write_sums
from pyqueue.demo.victims import Kills
from pyqueue.exceptions import ImproperlyConfigured, QueueError

_TARGET: Final = "pyqueue.demo.catalog:app"
_LOOK_EVERY: Final = 0.0005
_REST: Final = 0.05
_STALLED_AFTER: Final = 120.0
_SMALL: Final = 10_000
"""Files: fewer are read so fast that all would be done before a process could be killed."""
_STAY: Final = 0.02
"""Seconds that each of their jobs takes longer."""


def run_catalog(root: str, db: str, *, force: bool, concurrency: int, out: TextIO = sys.stdout) -> int:
    """Catalogues the tree at ``root``; 0 if every check at the end holds, else 1."""
    # The tree may be this Python's own library, and must not get compiled files while it is read.
    sys.dont_write_bytecode = True
    # As an interrupt does, so that the workers are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    files = claim_files(db, force=force)
    tree = _walked(root, files, out)
    app.use(files.db)
    with open(files.log, "ab") as log, _Crew(files, concurrency, log) as crew:
        first, second = crew.hire("A"), crew.hire("B")
        for worker in (first, second):
            worker.wait_ready()
        out.write(f"workers A (pid {first.pid}) and B (pid {second.pid}) are ready\n")
        with contextlib.closing(connect(files.db)) as connection:
            connection.executescript(SCHEMA)
            start = time.monotonic()
            chunks = chunked(tree.files)
            stay = _STAY if len(tree.files) < _SMALL else 0.0
            header = [catalog_files.s(files.root(root), chunk, stay) for chunk in chunks]
            sent: Any = chord(header, merge.s() | report.s()).delay()
            jobs = [*(each.id for each in sent.parent.parent), sent.parent.id, sent.id]
            out.write(
                f"{len(chunks):,} jobs of up to {len(chunks[0])} files go to {files.db}, with one that merges what they "
                f"count, and one that says it\n"
            )
            progress = Progress(len(jobs), "jobs", out)
            kills = Kills(connection, first, second, lambda: crew.hire("C"), progress.say)
            _Watch(crew, kills, progress, len(jobs)).to_the_end()
            seconds = time.monotonic() - start
            crew.stop()
            said = sent.get(timeout=0, propagate=False)
            findings = examine(app.store, connection, tree, jobs, kills, said=said)
            lines = write_sums(connection, files.sums)
    if kills.pending and not findings.wrong:
        out.write("the tree is so small that it was done before a child and a worker could be killed\n")
    _report(findings, seconds, files, out)
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


def _report(findings: Findings, seconds: float, files: Files, out: TextIO) -> None:
    for line in findings.histories:
        out.write(f"{line}\n")
    out.write(f"\n{table(findings, seconds)}\n")
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
        self.stop()
        for worker in self.workers:
            worker.close()

    def stop(self) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.stop()

    def hire(self, name: str) -> WorkerProcess:
        worker = WorkerProcess(name, _TARGET, self._files.db, self._concurrency, self._log)
        self.workers.append(worker)
        return worker

    def require_alive(self) -> None:
        if not any(worker.alive for worker in self.workers):
            raise QueueError(f"no worker is left; their log is {self._files.log}")


class _Watch:
    """Looks on as the jobs are done, and lets the kills happen on the way."""

    def __init__(self, crew: _Crew, kills: Kills, progress: Progress, total: int) -> None:
        self._crew = crew
        self._kills = kills
        self._progress = progress
        self._total = total

    def to_the_end(self) -> None:
        """Returns when all jobs have ended. Raises QueueError if nothing moves any more."""
        before, moved = -1, time.monotonic()
        while True:
            done = sum(queue.succeeded + queue.failed + queue.revoked for queue in app.store.queues())
            self._progress.update(done)
            if done >= self._total:
                break
            self._kills.step(done / self._total)
            if done != before:
                before, moved = done, time.monotonic()
            elif time.monotonic() - moved > _STALLED_AFTER:
                raise QueueError(f"no job has ended for {_STALLED_AFTER:g} s")
            self._crew.require_alive()
            time.sleep(_LOOK_EVERY if self._kills.pending else _REST)
        self._progress.finish()
