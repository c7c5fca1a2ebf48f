"""Rules about what follows when a process is killed."""

from __future__ import annotations

from collections import Counter
from typing import Final

from checker import Rule
from events import Event, Process


class NothingStuck(Rule):
    """The jobs of a killed process start again soon; in the end none is left in line."""

    promise = "P6 nothing stuck"
    within_us: Final = 60_000_000
    """A bound that no stall of a busy machine reaches; the histogram tells the rest."""
    buckets_ms: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)

    def __init__(self) -> None:
        super().__init__()
        self.running: dict[Process, str] = {}
        self.killed: dict[str, int] = {}
        self.waiting: dict[Process, None] = {}

    def on_start_ok(self, event: Event) -> None:
        self._settle()
        self.running[event.process] = event.subject
        self.waiting[event.process] = None
        since = self.killed.pop(event.subject, None)
        if since is not None:
            gap = event.at - since
            bucket = next((f"<{bound}" for bound in self.buckets_ms if gap < bound * 1000), "more")
            self.figures[f"gap ms {bucket}"] += 1
            if gap > self.within_us:
                self.broken(f"{event.subject} started {gap / 1e6:.1f} s after the kill")

    def on_end_ok(self, event: Event) -> None:
        if self.running.get(event.process) == event.subject:
            del self.running[event.process]
            self.waiting.pop(event.process, None)
        self.killed.pop(event.subject, None)

    def on_kill_ok(self, event: Event) -> None:
        self._settle()

    def _settle(self) -> None:
        """Notes the jobs of the doomed."""
        for process in [process for process in self.waiting if process.doomed is not None]:
            del self.waiting[process]
            self.killed[self.running.pop(process)] = process.doomed or 0

    def on_left_ok(self, event: Event) -> None:
        self.broken(f"{event.subject} has not ended")


class Bounded(Rule):
    """A job that takes its process along is dead after ``max_losses``, and not before."""

    promise = "P7 poison bounded"

    def __init__(self) -> None:
        super().__init__()
        self.most: dict[str, int] = {}
        self.open: dict[tuple[str, int], Process] = {}
        self.lost: Counter[str] = Counter()

    def on_start_ok(self, event: Event) -> None:
        self.most[event.subject] = int(event.facts[3])
        self.open[event.subject, int(event.facts[1])] = event.process

    def on_end_ok(self, event: Event) -> None:
        self.open.pop((event.subject, int(event.facts[0])), None)

    def on_file_ok(self, event: Event) -> None:
        _, outcome, _, state = event.facts
        self.lost[event.subject] += outcome == "lost"
        if state == "dead" and self.lost[event.subject] < self.most.get(event.subject, 0):
            self.broken(f"{event.subject} is dead after {self.lost[event.subject]} losses")

    def end(self) -> None:
        taken = Counter(job for (job, _), process in self.open.items() if process.doomed is not None)
        for job, times in taken.items():
            if times > self.most[job]:
                self.broken(f"{job} took {times} processes along, more than {self.most[job]}")
        self.figures["attempts lost"] += sum(self.lost.values())


class Kills(Rule):
    """No promise: how many kills there were, and how many hit a process that had started jobs or enqueued."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: set[int] = set()
        self.asking: set[Process] = set()

    def on_start_ok(self, event: Event) -> None:
        self.busy |= {event.process.pid, event.process.parent}

    def on_enqueue_invoke(self, event: Event) -> None:
        self.busy.add(event.process.pid)
        self.asking.add(event.process)

    def on_enqueue_ok(self, event: Event) -> None:
        self.asking.discard(event.process)

    def on_kill_invoke(self, event: Event) -> None:
        self.figures["jobs that killed their process"] += event.facts[0] == "itself"

    def on_kill_ok(self, event: Event) -> None:
        role, pid = event.facts[0], int(event.subject)
        self.figures["kills"] += 1
        self.figures[f"kills of {role}"] += 1
        if pid in self.busy:
            self.figures[f"at work, of {role}"] += 1
            self.busy.discard(pid)

    def end(self) -> None:
        self.figures["producers killed inside of an enqueue"] += sum(
            process.doomed is not None for process in self.asking
        )
