"""What is paused or let out at a rate, shown by ``status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyqueue.cli.table import table
from pyqueue.cli.times import age, iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyqueue._core import Gate


def gate_object(gate: Gate) -> dict[str, Any]:
    """With stable keys."""
    return {
        **{
            key: getattr(gate, key)
            for key in ("scope", "task", "queue", "key", "waiting", "author", "reason")
        },
        "paused": gate.shut,
        "each": None if gate.rate_us is None else gate.rate_us / 1e6,
        "since": iso(gate.since_us),
    }


def gates_table(gates: Sequence[Gate], now_us: int) -> str:
    """One line each."""
    rows = [
        [
            _about(gate),
            _state(gate),
            # The jobs of a queue stay in line.
            "-" if gate.scope == "queue" and gate.shut else f"{gate.waiting:,}",
            "-" if gate.since_us is None else age(gate.since_us, now_us),
            gate.author or "-",
            gate.reason or "-",
        ]
        for gate in gates
    ]
    return table(["paused", "", "waiting", "since", "by", "reason"], rows, left=(0, 1, 4, 5))


def _about(gate: Gate) -> str:
    said = (("task", gate.task), ("queue", gate.queue), ("key", gate.key))
    return " ".join(f"{field}={value}" for field, value in said if value is not None)


def _state(gate: Gate) -> str:
    if gate.shut:
        return "paused"
    if gate.rate_us is None:
        return "coming back"
    return (
        f"one in {gate.rate_us / 1e6:g} s"
        if gate.rate_us >= 1_000_000
        else f"{1e6 / gate.rate_us:g} a second"
    )
