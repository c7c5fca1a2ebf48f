"""Rules about one commit: a job and the rows of whoever enqueued it, a job's end and the rows that it wrote."""

from __future__ import annotations

from collections import Counter

from checker import Rule
from events import Event


class OrderedTogether(Rule):
    """A job that a host enqueued in its own transaction is there if and only if the rows of that transaction are."""

    promise = "P2 enqueue in your own commit"

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, int] = {}
        self.acked: set[str] = set()
        self.undone: set[str] = set()
        self.rows: Counter[str] = Counter()
        self.ran: set[str] = set()
        self.left = False

    def on_order_invoke(self, event: Event) -> None:
        self.asked[event.subject] = int(event.facts[0])

    def on_order_ok(self, event: Event) -> None:
        self.acked.add(event.subject)

    def on_order_fail(self, event: Event) -> None:
        self.undone.add(event.subject)

    def on_start_ok(self, event: Event) -> None:
        self.ran.add(event.facts[0])

    def on_ordered_ok(self, event: Event) -> None:
        self.rows[event.subject] += 1

    def on_left_ok(self, event: Event) -> None:
        self.left = True

    def end(self) -> None:
        for call, jobs in self.asked.items():
            tags = {f"{call}.{n}" for n in range(jobs)}
            rows, ran = tags & self.rows.keys(), tags & self.ran
            expected = (jobs,) if call in self.acked else (0,) if call in self.undone else (0, jobs)
            if len(rows) not in expected:
                self.broken(f"{len(rows)} of {jobs} rows of {call} are there")
            if ran - rows or (rows - ran and not self.left):
                self.broken(f"{call} has {len(rows)} rows and {len(ran)} jobs")
            if call not in self.acked and call not in self.undone:
                self.figures["in doubt, ordered" if rows else "in doubt, not ordered"] += jobs
        for tag in self.rows.keys() - {
            f"{call}.{n}" for call, jobs in self.asked.items() for n in range(jobs)
        }:
            self.broken(f"the row of {tag} was ordered by nobody")
        self.figures["ordered with a row"] += self.rows.total()
        self.figures["orders rolled back"] += sum(self.asked[call] for call in self.undone)


class EndedTogether(Rule):
    """What a transactional job has written is there once if it is a success, and else not at all."""

    promise = "P8 effects and end in one commit"

    def __init__(self) -> None:
        super().__init__()
        self.begun: set[str] = set()
        self.effects: dict[str, list[str]] = {}
        self.success: dict[str, str] = {}

    def on_transaction_invoke(self, event: Event) -> None:
        self.begun.add(event.subject)

    def on_effect_ok(self, event: Event) -> None:
        self.effects.setdefault(event.subject, []).append(event.facts[0])

    def on_file_ok(self, event: Event) -> None:
        _, outcome, token, _ = event.facts
        if outcome == "success":
            self.success[event.subject] = token

    def end(self) -> None:
        for job in self.begun | self.effects.keys():
            tokens, token = self.effects.get(job, []), self.success.get(job)
            if tokens != ([] if token is None else [token]):
                self.broken(f"{job} succeeded under {token} and its effects were written under {tokens}")
            self.figures["effects"] += len(tokens)
