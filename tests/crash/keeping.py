"""Rules about what a client was told when it enqueued."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from checker import Rule
from events import Event


class Kept(Rule):
    """An acknowledged enqueue is in the file for ever: ended there, or still in line. One call is all or nothing."""

    promise = "P1 durable enqueue"

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, int] = {}
        self.acked: dict[str, tuple[str, ...]] = {}
        self.refused: set[str] = set()
        self.tags: dict[str, str] = {}
        self.held: set[str] = set()
        self.left = False

    def on_enqueue_invoke(self, event: Event) -> None:
        self.asked[event.subject] = int(event.facts[0])

    def on_enqueue_ok(self, event: Event) -> None:
        self.acked[event.subject] = event.facts

    def on_enqueue_fail(self, event: Event) -> None:
        self.refused.add(event.subject)

    def on_start_ok(self, event: Event) -> None:
        self.tags[event.subject] = event.facts[0]

    def on_file_ok(self, event: Event) -> None:
        if event.facts[3] != "-":
            self.held.add(event.subject)

    def on_left_ok(self, event: Event) -> None:
        self.held.add(event.subject)
        self.left = True

    def end(self) -> None:
        ran = set(self.tags.values())
        for call, ids in self.acked.items():
            for place, told in enumerate(ids):
                id = told.removeprefix("=")
                if id == "?":
                    # A client that did not learn the id knows its tag.
                    if f"{call}.{place}" not in ran and not self.left:
                        self.broken(f"{call}.{place} was acknowledged and has never run")
                elif id not in self.held:
                    self.broken(f"{id} of {call} was acknowledged and is not in the file")
                elif id == told and self.tags.get(id, tag := f"{call}.{place}") != tag:
                    self.broken(f"{id} was given for {tag} and ran as {self.tags[id]}")
            self.figures["acknowledged"] += sum(not told.startswith("=") for told in ids)
            self.figures["deduplicated"] += sum(told.startswith("=") for told in ids)
        self._unacknowledged(ran)

    def _unacknowledged(self, ran: set[str]) -> None:
        made = Counter(tag.rpartition(".")[0] for tag in ran)
        for call, jobs in made.items():
            if call not in self.asked:
                self.broken(f"jobs of {call} ran, which nobody has called")
            elif call in self.refused:
                self.broken(f"{call} was refused and its jobs ran")
            elif call not in self.acked:
                self.figures["in doubt, made"] += jobs
                if jobs != self.asked[call] and not self.left:
                    self.broken(f"{jobs} of {self.asked[call]} jobs of {call} were made, not all or none")
        doubtful = self.asked.keys() - self.acked.keys() - self.refused
        self.figures["in doubt, not made"] += sum(self.asked[call] for call in doubtful - made.keys())
        self.figures["enqueues refused"] += len(self.refused)


class OneOfAKey(Rule):
    """At most one unfinished job a dedup key, and whoever is turned away learns the id of one with that key.

    A job is surely unfinished from its acknowledgement (or its first start) to the end of its last run.
    """

    promise = "P9 one job a key"

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, tuple[str, int]] = {}
        self.jobs: dict[str, dict[str, list[int]]] = defaultdict(dict)
        self.key_of: dict[str, str] = {}
        self.turned: list[tuple[str, str]] = []

    def on_enqueue_invoke(self, event: Event) -> None:
        if event.facts[1] != "-":
            self.calls[event.subject] = (event.facts[1], event.at)

    def _made(self, call: str, id: str, at: int) -> None:
        key, invoked = self.calls[call]
        # Invoked, known since, unfinished until. A client may hear of its job after that has ended.
        self.jobs[key].setdefault(id, [invoked, at, at])
        self.key_of[id] = key

    def on_enqueue_ok(self, event: Event) -> None:
        if event.subject in self.calls:
            [told] = event.facts
            if told.startswith("="):
                self.turned.append((event.subject, told[1:]))
            else:
                self._made(event.subject, told, event.at)

    def on_start_ok(self, event: Event) -> None:
        call = event.facts[0].rpartition(".")[0]
        if call in self.calls:
            self._made(call, event.subject, event.at)
            self.jobs[self.calls[call][0]][event.subject][2] = event.at

    def on_end_ok(self, event: Event) -> None:
        key = self.key_of.get(event.subject)
        if key is not None:
            self.jobs[key][event.subject][2] = event.at

    def end(self) -> None:
        for key, spans in self.jobs.items():
            self._overlaps(key, spans)
        for call, id in self.turned:
            if self.key_of.get(id) != self.calls[call][0]:
                self.broken(f"{call} was sent to {id}, which has not the key {self.calls[call][0]}")

    def _overlaps(self, key: str, spans: dict[str, list[int]]) -> None:
        """Whether a job was made (between invoke and known) while another was surely unfinished."""
        known = sorted((since, until, id) for id, (_, since, until) in spans.items())
        latest, place = (0, ""), 0
        for id, (invoked, since, _) in sorted(spans.items(), key=lambda item: item[1][0]):
            while place < len(known) and known[place][0] <= invoked:
                latest = max(latest, known[place][1:])
                place += 1
            if latest[0] > since and latest[1] != id:
                self.broken(f"{id} and {latest[1]} with the key {key} were unfinished at a time")


class NotEarly(Rule):
    """No job starts before its time."""

    promise = "P12 not early"
    clock_us: Final = 20_000
    """The delay is counted on the wall clock, which is slewed and may be stepped a little."""

    def __init__(self) -> None:
        super().__init__()
        self.due: dict[str, int] = {}

    def on_enqueue_invoke(self, event: Event) -> None:
        if event.facts[2] != "0":
            self.due[event.subject] = event.at + int(event.facts[2])

    def on_start_ok(self, event: Event) -> None:
        due = self.due.get(event.facts[0].rpartition(".")[0], 0)
        if event.at < due - self.clock_us:
            self.broken(f"{event.subject} started {(due - event.at) / 1000:.0f} ms early")
