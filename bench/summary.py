"""Medians with their spread, ratios within a round, and what the goals come to at this run's floors."""

import statistics
from typing import Any, NamedTuple

from bench.contenders import FLOOR, OURS
from bench.goals import BESIDE, FLOORS, Goal, Ratio


class Spread(NamedTuple):
    """Of the rounds."""

    median: float
    lowest: float
    highest: float
    rounds: int


class Summary:
    """The measured figures of a run, asked by row, contender and figure."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._rounds: dict[tuple[str, str], dict[int, dict[str, float]]] = {}
        for each in content["measured"]:
            if each.get("figures"):
                self._rounds.setdefault((each["row"], each["contender"]), {})[each["round"]] = each["figures"]

    def spread(self, row: str, contender: str, figure: str) -> Spread | None:
        """None where nothing was measured."""
        return _spread([found[figure] for found in self._of(row, contender).values() if figure in found])

    def contenders(self, row: str) -> list[str]:
        """Who has figures of a row."""
        return [contender for known, contender in self._rounds if known == row]

    def codec(self, row: str) -> str | None:
        """With which calls were encoded."""
        found = {each.get("codec") for each in self.content["measured"] if each["row"] == row} - {None}
        return " and ".join(sorted(found)) if found else None

    def ratio(self, row: str, other_row: str, other: str, figure: str = "rate") -> Spread | None:
        """Ours over the other's, round by round."""
        mine, theirs = self._of(row, OURS), self._of(other_row, other)
        both = [number for number in mine if number in theirs and theirs[number].get(figure)]
        return _spread([mine[number][figure] / theirs[number][figure] for number in both])

    def bound(self, goal: Goal) -> tuple[float, str]:
        """The goal at this run's floors and codec, and how it came about."""
        bound, why = goal.bound, []
        if goal.encodes and self.codec(goal.row) == "json":
            bound /= 2
            why.append("half with json")
        found = self.floor(goal.floor) if goal.floor is not None else None
        if goal.floor is not None and found is None:
            why.append("not scaled: the floor was not measured")
        elif goal.floor is not None and found is not None:
            factor = found.median / FLOORS[goal.floor]
            bound = bound * factor if goal.least else bound / factor
            why.append(f"x {factor:.2f} by the floor" if goal.least else f"/ {factor:.2f} by the floor")
        return bound, ", ".join(why)

    def floor(self, name: str) -> Spread | None:
        """What the floor was."""
        return self.spread(name, FLOOR if name == "inserts" else OURS, "rate")

    def rivals_of(self, row: str) -> list[str]:
        """Whom a row stands beside."""
        beside = BESIDE.get(row)
        if beside is None:
            return []
        return [
            name
            for name in self.contenders(beside.row)
            if name != OURS and (name.partition("/")[2] in beside.modes if "/" in name else beside.sqlite)
        ]

    def best_rival(self, row: str, figure: str, least: bool) -> tuple[str, Spread] | None:
        """The best median of those."""
        several = [(name, self.spread(BESIDE[row].row, name, figure)) for name in self.rivals_of(row)]
        found = [(name, spread) for name, spread in several if spread is not None]
        if not found:
            return None
        return (max if least else min)(found, key=lambda each: each[1].median)

    def reached(self, ratio: Ratio) -> Spread | None:
        """The ratio that a goal asks for; of "celery" and "all" it is that over the fastest of them."""
        if ratio.than not in ("celery", "all"):
            return self.ratio(ratio.row, ratio.than, OURS)
        names = [
            name for name in self.rivals_of(ratio.row) if ratio.than == "all" or name.startswith("celery/")
        ]
        found = [self.ratio(ratio.row, BESIDE[ratio.row].row, name) for name in names]
        return min((each for each in found if each is not None), default=None)

    def _of(self, row: str, contender: str) -> dict[int, dict[str, float]]:
        return self._rounds.get((row, contender), {})


def _spread(values: list[float]) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None
