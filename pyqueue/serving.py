"""Who serves a file: workers as people know them, whether they can answer or not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyqueue._core import Inspecting

if TYPE_CHECKING:
    from pyqueue._core import Store, WorkerStatus

WORST_FIRST: Final = ("dead", "wedged", "unknown", "starting", "stopping", "busy", "idle")
"""What is said of a worker whose supervisors differ."""
WELL: Final = ("starting", "stopping", "busy", "idle")


class Serving(NamedTuple):
    """One worker: the supervisors of one process that were started together."""

    name: str
    parts: tuple[WorkerStatus, ...]
    facts: Mapping[str, Any]
    """What it says of itself, as ``worker.describing.facts_of`` has it; empty where it says nothing."""
    joined_us: int

    @property
    def state(self) -> str:
        """idle, busy, starting, stopping, wedged, dead or unknown."""
        return min((part.state for part in self.parts), key=WORST_FIRST.index)

    @property
    def why(self) -> str | None:
        """Why it is wedged, dead or unknown."""
        state = self.state
        return next((part.why for part in self.parts if part.state == state), None)

    @property
    def well(self) -> bool:
        """Whether it would answer."""
        return self.state in WELL

    @property
    def dead(self) -> bool:
        """Whether its process has ended, and nobody has taken its jobs back yet."""
        return self.state == "dead"

    @property
    def pid(self) -> int | None:
        """Its process, where that lives and can be seen from here."""
        return next((part.seen_pid for part in self.parts if part.seen_pid is not None), None)

    @property
    def busy(self) -> int | None:
        """Jobs that run, as far as it says."""
        return _sum([part.busy for part in self.parts])

    @property
    def slots(self) -> int:
        """Jobs that it may run at once."""
        return sum(part.slots for part in self.parts)

    @property
    def jobs(self) -> int:
        """Jobs that it has, running or not."""
        return sum(part.running for part in self.parts)

    @property
    def still(self) -> float | None:
        """Seconds since the loop turned that has not turned for longest; no loop rests for more than one."""
        times = [part.still_us for part in self.parts if part.still_us is not None]
        return max(times) / 1e6 if times else None

    def tasks(self) -> dict[str, dict[str, str | None]]:
        """The tasks it knows, each with those of its options that are not as usual."""
        tasks: Mapping[str, Any] = self.facts.get("tasks", {})
        return {name: each if isinstance(each, dict) else {} for name, each in tasks.items()}


def serving(store: Store) -> list[Serving]:
    """Every worker in the file, the first that came first; no two have the same name."""
    facts = {worker: (joined, _read(said)) for worker, joined, said in Inspecting(store).facts()}
    together: dict[object, list[WorkerStatus]] = {}
    for row in store.workers():
        _, said = facts.get(row.id, (0, {}))
        together.setdefault(said.get("crew") or row.id, []).append(row)
    found = []
    for parts in together.values():
        joined, said = facts.get(parts[0].id, (0, {}))
        found.append(Serving(said.get("worker", parts[0].name), tuple(parts), said, joined))
    return _told_apart(found)


def _told_apart(found: Sequence[Serving]) -> list[Serving]:
    """One that lives keeps its name; others of that name get the number of their row as well."""
    taken: set[str] = set()
    named: dict[int, Serving] = {}
    for each in sorted(found, key=lambda each: (each.dead, each.parts[0].id)):
        name = each.name if each.name not in taken else f"{each.name}#{each.parts[0].id}"
        taken.add(name)
        named[each.parts[0].id] = each._replace(name=name)
    return [named[number] for number in sorted(named)]


def _read(said: bytes) -> dict[str, Any]:
    # Anybody who may write the file may have written it.
    try:
        facts = json.loads(said) if said else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(facts, dict):
        return {}
    return {name: value for name, value in facts.items() if _fits(name, value)}


def _fits(name: str, value: Any) -> bool:
    match name:
        case "worker" | "crew":
            return isinstance(value, str)
        case "started":
            return isinstance(value, float) and math.isfinite(value)
        case "queues" | "argv":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "reserved" | "usual" | "conf" | "tasks":
            return isinstance(value, dict)
    return not isinstance(value, (dict, list))


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
