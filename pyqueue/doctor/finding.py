"""One thing that was looked at."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Level = Literal["ok", "warning", "problem"]


class Finding(NamedTuple):
    """What was seen, how bad it is, and what to do about it."""

    check: str
    level: Level
    seen: str
    advice: str | None = None


WORST_FIRST: Final[tuple[Level, ...]] = ("problem", "warning", "ok")


def worst(findings: list[Finding]) -> Level:
    """The worst level among them."""
    return min((each.level for each in findings), key=WORST_FIRST.index, default="ok")
