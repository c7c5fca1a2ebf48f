"""Measures rows in turns and shows them as a table or as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Sequence

from pyqueue.bench.figures import Figures
from pyqueue.bench.measure import measure, room_for
from pyqueue.bench.place import QUICK
from pyqueue.bench.rows import ROWS, Row
from pyqueue.bench.wording import UNITS, number
from pyqueue.cli.table import table
from pyqueue.exceptions import ImproperlyConfigured, QueueError


def list_rows(as_json: bool) -> int:
    """Prints what can be measured."""
    rows = [(row.name, row.durability, row.title, "long" if row.long else "") for row in ROWS]
    if as_json:
        print(json.dumps([{"name": name, "durability": how, "title": title} for name, how, title, _ in rows]))
    else:
        print(table(("row", "file", "measures", ""), rows, left=(0, 1, 2, 3)))
    return 0


def show(folder: str, names: Sequence[str] | None, rounds: int, as_json: bool) -> int:
    """Measures and prints; 1 if a row could not be measured, else 0. Raises ImproperlyConfigured for wrong names."""
    if not os.path.isdir(folder):
        raise ImproperlyConfigured(f"there is no folder {folder}; make it first")
    rows = _rows_of(names)
    found: dict[str, list[Figures]] = {row.name: [] for row in rows}
    wrong: dict[str, str] = {}
    for number_of_round in range(rounds):
        for at, row in enumerate(rows):
            if row.name in wrong:
                continue
            _say(f"round {number_of_round + 1} of {rounds}, row {at + 1} of {len(rows)}: {row.name}")
            try:
                refusal = room_for(row.long, folder, QUICK)
                if refusal is not None:
                    raise QueueError(f"there is not enough room on the disk: {refusal}")
                found[row.name].append(measure(row.name, folder, QUICK)[0])
            except QueueError as error:
                wrong[row.name] = str(error)
    _say("")
    medians = {row.name: _medians(found[row.name]) for row in rows if found[row.name]}
    if as_json:
        print(json.dumps({"rounds": rounds, "medians": medians, "measured": found, "failed": wrong}))
    else:
        lines = [_line(row, medians[row.name]) for row in rows if row.name in medians]
        print(table(("row", "measures", "file", "found"), lines, left=(0, 1, 2, 3), whole=(3,)))
        for name, why in wrong.items():
            print(f"{name} was not measured: {why}")
    return 1 if wrong else 0


def _rows_of(names: Sequence[str] | None) -> list[Row]:
    if names is None:
        return [row for row in ROWS if not row.long]
    unknown = sorted(set(names) - {row.name for row in ROWS})
    if unknown:
        raise ImproperlyConfigured(f"there is no row {', '.join(unknown)}; pyqueue bench --list shows them")
    return [row for row in ROWS if row.name in names]


def _medians(rounds: list[Figures]) -> Figures:
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def _line(row: Row, figures: Figures) -> tuple[str, ...]:
    said = ", ".join(f"{number(figures[name])}{UNITS.get(name, '')}" for name in row.shown if name in figures)
    return (row.name, row.title, row.durability, said)


def _say(progress: str) -> None:
    """One line that is written over, where somebody looks on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{progress}")
        sys.stderr.flush()
