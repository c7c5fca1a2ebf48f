"""A worker that slept longer than its lease: all that it and its tasks still write is refused."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from pathlib import Path

from audit import judge
from chaos import LOAD
from events import Event, Recorder, boot_us, read
from processes import Worker, send, stop, tree, until

from pyqueue import AsyncResult, PyQueue

LEASE = 1
JOBS = 2


class Place:
    """A queue with jobs that wait for the door of their process."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        (folder / "events").mkdir()
        self.record = Recorder(folder / "events", "tester")
        self.app = PyQueue(folder / "jobs.db", durability="normal")

    def worker(self) -> Worker:
        env = {"CRASH_EVENTS": str(self.folder / "events"), "PYQUEUE_VISIBILITY_TIMEOUT": str(LEASE)}
        started = self.stack.enter_context(Worker(self.folder, "-A", str(LOAD), "-c", str(JOBS), env=env))
        started.wait_ready()
        return started

    def enqueue(self) -> list[AsyncResult[int]]:
        self.record("enqueue", "invoke", "call", JOBS, "-", 0)
        knocks = [self.app.signature("load.knock", [f"call.{n}"]) for n in range(JOBS)]
        results = self.app.enqueue_many(knocks)
        self.record("enqueue", "ok", "call", *[result.id for result in results])
        return results

    def open(self, worker: Worker) -> None:
        for child in worker.children:
            (self.folder / f"door-{child}").touch()

    def events(self, op: str, worker: Worker, kind: str = "ok") -> list[Event]:
        """What tasks of a worker have written."""
        events = read(self.folder / "events").events
        return [
            event
            for event in events
            if (event.op, event.kind, event.process.parent) == (op, kind, worker.pid)
        ]


def test_a_zombie_and_its_tasks_are_refused_and_the_other_workers_results_stay(tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = Place(tmp_path, stack)
        a = place.worker()
        a_children = a.children
        results = place.enqueue()
        until(lambda: len(place.events("start", a)) == len(a_children), what="A runs two jobs")
        held = {event.subject for event in place.events("start", a)}
        place.record("stop", "invoke", a.pid)
        stop(tree(a.pid))
        b = place.worker()
        until(lambda: len(place.events("start", b)) == len(a_children), what="B took jobs over")
        # While B runs the jobs: the tasks wake first, and the supervisor finds what they have sent.
        place.open(a)
        send(signal.SIGCONT, a_children)
        until(lambda: len(place.events("end", a)) == len(a_children), what="the zombie's tasks have ended")
        assert {event.subject for event in place.events("progress", a, "fail")} == held
        assert place.events("progress", a) == []
        send(signal.SIGCONT, [a.pid])
        until(lambda: lost_leases(a) >= held, what="the zombie told of each job that it had lost")
        place.open(b)
        of_b = [result.get(timeout=20) for result in results]
        assert set(of_b) <= set(b.children)
    verdict = judge(tmp_path)
    assert verdict.faults == []
    assert verdict.figures["stale writes refused"] == len(held)
    assert [end_of(tmp_path, id) for id in held] == [["lost", "success"]] * len(held)


def lost_leases(worker: Worker) -> set[str]:
    """The jobs of ``lease_lost`` events."""
    lines = [line for line in worker.log.read_text().splitlines() if "lease_lost" in line]
    return {found[1] for line in lines if (found := re.search(r"\(job ([0-9a-f-]{36})", line))}


def end_of(folder: Path, id: str) -> list[str]:
    return [attempt.outcome for attempt in PyQueue(folder / "jobs.db").AsyncResult(id).attempts()]


def test_control_without_a_stop_the_same_worker_finishes_its_jobs(tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = Place(tmp_path, stack)
        a = place.worker()
        a_children = a.children
        results = place.enqueue()
        until(lambda: len(place.events("start", a)) == len(a_children), what="A runs two jobs")
        held = {event.subject for event in place.events("start", a)}
        b = place.worker()
        over = boot_us() + 2_000_000 * LEASE
        until(lambda: boot_us() > over, what="two leases have passed")
        place.open(a)
        place.open(b)
        of_a = [result.get(timeout=20) for result in results if result.id in held]
        assert set(of_a) == set(a_children)
        assert {result.get(timeout=20) for result in results} <= {*a_children, *b.children}
        assert "lease_lost" not in a.log.read_text()
    verdict = judge(tmp_path)
    assert verdict.faults == []
    assert "stale writes refused" not in verdict.figures
    assert [end_of(tmp_path, id) for id in held] == [["success"]] * len(held)
