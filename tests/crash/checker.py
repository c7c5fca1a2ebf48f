"""One pass over a history: every event goes to the rules that have a method for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from events import Event, Process


class Rule:
    """A promise. Methods ``on_OP_KIND`` (``on_start_ok``) see these events, in the order of time.

    A rule says ``self.broken(…)`` at the event that breaks it or in ``end``.
    """

    promise = ""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.figures: Counter[str] = Counter()

    def broken(self, text: str) -> None:
        self.faults.append(f"{self.promise}: {text}")

    def end(self) -> None:
        """After the last event."""


class Verdict(NamedTuple):
    faults: list[str]
    figures: dict[str, int]

    @property
    def broken(self) -> set[str]:
        """The promises that were broken."""
        return {fault.partition(":")[0] for fault in self.faults}


class Fates:
    """Who was killed. A process is doomed from the moment somebody sets out to kill it or its parent: it may go
    on for a while, so what it does then proves nothing about who had a lease."""

    def __init__(self) -> None:
        self._by_pid: dict[int, Process] = {}
        self._by_parent: dict[int, list[Process]] = {}
        self._known: set[Process] = set()

    def see(self, event: Event) -> None:
        if event.op == "process":
            process = event.process
            self._by_pid[process.pid] = process
            self._by_parent.setdefault(process.parent, []).append(process)
        elif event.op in ("kill", "stop") and event.kind == "invoke":
            for process in self.under(int(event.subject)):
                process.doomed = event.at

    def under(self, pid: int) -> Iterator[Process]:
        """The process and its children, as far as they are not doomed yet."""
        own = self._by_pid.get(pid)
        # Process ids come again: those that were doomed before are others.
        for process in ([own] if own else []) + self._by_parent.get(pid, []):
            if process.doomed is None:
                yield process


def check(events: Iterable[Event], rules: Iterable[Rule]) -> Verdict:
    """Runs a history past the rules."""
    rules = list(rules)
    fates = Fates()
    wanted: dict[tuple[str, str], list[Callable[[Event], None]]] = {}
    for rule in rules:
        for name in dir(rule):
            if name.startswith("on_"):
                op, _, kind = name.removeprefix("on_").rpartition("_")
                wanted.setdefault((op, kind), []).append(getattr(rule, name))
    always = wanted.pop(("every", "event"), [])
    nobody: list[Any] = []
    for event in events:
        fates.see(event)
        for method in always:
            method(event)
        for method in wanted.get((event.op, event.kind), nobody):
            method(event)
    faults: list[str] = []
    figures: Counter[str] = Counter()
    for rule in rules:
        rule.end()
        faults += rule.faults
        figures += rule.figures
    return Verdict(faults, dict(figures))
