"""Rules about attempts: one at a time, the stale one powerless, the end final."""

from __future__ import annotations

from typing import NamedTuple

from checker import Rule
from events import Event, Process


class Started(NamedTuple):
    """An attempt that has begun."""

    token: int
    attempt: int
    process: Process


class OneLease(Rule):
    """No two attempts of a job at a time, and each under a larger token.

    An attempt lasts until its end, or until its process is doomed or silent for ever: who writes anything after
    another has started the job was alive, and so was its attempt.
    """

    promise = "P3 one live lease"

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[str, Started] = {}
        self.open: set[str] = set()
        self.overtaken: dict[Process, str] = {}
        self.written: dict[str, int] = {}

    def on_every_event(self, event: Event) -> None:
        if self.overtaken and event.process.doomed is None:
            job = self.overtaken.pop(event.process, None)
            if job is not None:
                self.broken(f"{event.process} still ran {job} when another had started it")

    def on_start_ok(self, event: Event) -> None:
        job, now = event.subject, Started(int(event.facts[1]), int(event.facts[2]), event.process)
        before = self.last.get(job)
        if before is not None:
            if now.token <= before.token:
                self.broken(f"{job} started under token {now.token} after token {before.token}")
            if now.attempt < before.attempt:
                self.broken(f"{job} started attempt {now.attempt} after attempt {before.attempt}")
            if job in self.open and before.process is not now.process and before.process.doomed is None:
                self.overtaken[before.process] = job
            self.figures["run again"] += 1
        self.figures["started"] += 1
        self.last[job] = now
        self.open.add(job)

    def on_end_ok(self, event: Event) -> None:
        last = self.last.get(event.subject)
        if last is not None and last.token == int(event.facts[0]):
            self.open.discard(event.subject)
        self.figures["ended"] += 1

    def on_file_ok(self, event: Event) -> None:
        if event.facts[2] != "-":
            token = int(event.facts[2])
            if token <= self.written.get(event.subject, 0):
                self.broken(f"the file has token {token} of {event.subject} after a larger one")
            self.written[event.subject] = token


class NothingStale(Rule):
    """A write under a token changes nothing once the job has been started under a larger one."""

    promise = "P4 stale write refused"

    def __init__(self) -> None:
        super().__init__()
        self.newest: dict[str, int] = {}
        self.late: set[tuple[str, int]] = set()

    def on_start_ok(self, event: Event) -> None:
        self.newest[event.subject] = max(self.newest.get(event.subject, 0), int(event.facts[1]))

    def on_progress_invoke(self, event: Event) -> None:
        token = int(event.facts[0])
        if token < self.newest.get(event.subject, 0):
            self.late.add((event.subject, token))

    def on_progress_ok(self, event: Event) -> None:
        if (event.subject, int(event.facts[0])) in self.late:
            self.broken(f"progress of {event.subject} under token {event.facts[0]} was taken")

    def on_progress_fail(self, event: Event) -> None:
        self.figures["stale writes refused"] += 1

    def on_file_ok(self, event: Event) -> None:
        _, outcome, token, state = event.facts
        newest = self.newest.get(event.subject, 0)
        if state != "-" and token != "-" and int(token) < newest:
            self.broken(f"{outcome} under token {token} ended {event.subject}, started under {newest}")


class Over(Rule):
    """A job that has ended never starts again and does not end twice."""

    promise = "P5 over is over"

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, str] = {}
        self.final: set[str] = set()
        self.tried: dict[str, int] = {}

    def on_seen_ok(self, event: Event) -> None:
        self.told[event.subject] = event.facts[0]
        self.figures["results waited for"] += 1

    def on_cancel_ok(self, event: Event) -> None:
        self.told[event.subject] = "cancelled"
        self.figures["cancelled"] += 1

    def on_start_ok(self, event: Event) -> None:
        told = self.told.get(event.subject)
        if told is not None:
            self.broken(f"{event.subject} was reported as {told} and started after that")
        self.tried[event.subject] = int(event.facts[2])

    def on_file_ok(self, event: Event) -> None:
        attempt, outcome, _, state = event.facts
        if event.subject in self.final:
            self.broken(f"the file has {outcome} of {event.subject} after its end")
        if state != "-":
            self.final.add(event.subject)
            tried = self.tried.get(event.subject, 0)
            if tried > int(attempt):
                self.broken(f"{event.subject} ended with attempt {attempt} and started attempt {tried}")
            told = self.told.get(event.subject, state)
            if told != state:
                self.broken(f"{event.subject} was reported as {told} and is {state}")
            self.figures[f"state {state}"] += 1
            self.figures["ended jobs"] += 1


class Ran(Rule):
    """A success in the file is a run that came to its end, under the token of that run."""

    promise = "P5 success means run"

    def __init__(self) -> None:
        super().__init__()
        self.ends: set[tuple[str, str]] = set()

    def on_end_ok(self, event: Event) -> None:
        self.ends.add((event.subject, event.facts[0]))

    def on_file_ok(self, event: Event) -> None:
        _, outcome, token, _ = event.facts
        if outcome == "success" and (event.subject, token) not in self.ends:
            self.broken(f"{event.subject} is a success under token {token} and did not end a run under it")
