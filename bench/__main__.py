"""``python -m bench [ROUNDS]``: every measure once a round, round by round; median, lowest, highest."""

import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import floors, ours

MEASURES: dict[str, Callable[[Path], float]] = {
    "floor: 4 KiB append + fdatasync /s": floors.synced_appends,
    "floor: bare one-row insert /s (normal)": floors.bare_inserts,
    "delay() /s (normal)": partial(ours.delay_one_by_one, durability="normal"),
    "delay() /s (full)": partial(ours.delay_one_by_one, durability="full"),
    "delay() from 16 threads /s (full)": partial(ours.delay_from_threads, durability="full"),
    "enqueue_many of 1,000 /s (normal)": partial(ours.enqueue_many, durability="normal"),
    "no-op tasks /s, 2 children (normal)": partial(ours.drain, durability="normal"),
    "no-op tasks /s, 2 children (full)": partial(ours.drain, durability="full"),
    "delay().get() ms (normal)": partial(ours.round_trip_ms, durability="normal"),
    "worker ready s": partial(ours.ready_s, durability="normal"),
}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    figures: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(rounds):
        for name, measure in MEASURES.items():
            with tempfile.TemporaryDirectory(dir=".") as folder:
                figures[name].append(measure(Path(folder).resolve()))
    print(f"{'':40} {'median':>10} {'lowest':>10} {'highest':>10}")
    for name, values in figures.items():
        shown = [f"{value:10,.2f}" if value < 100 else f"{value:10,.0f}" for value in values_of(values)]
        print(f"{name:40} {' '.join(shown)}")


def values_of(values: list[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


if __name__ == "__main__":
    main()
