"""Which measures a run consists of, and in which order: round by round, everybody once a round."""

from typing import Final, NamedTuple

from bench.contenders import FLOOR, OURS, Contender, contenders
from pyqueue.bench.rows import ROWS, Row

FLOOR_ROW: Final = "inserts"
SESSION: Final = "session"


class Step(NamedTuple):
    """One measure: a row of ours, the floor, or all rows of a rival."""

    round: int
    row: str
    contender: str
    ours: Row | None = None
    rival: Contender | None = None


class Settings(NamedTuple):
    """What the caller asked for."""

    kind: str
    rounds: int
    scale: float
    long: bool
    modes: tuple[str, ...]
    rows: frozenset[str] | None
    rivals: frozenset[str] | None


def steps(settings: Settings) -> list[Step]:
    """The floors first in each round; then ours and the rivals take turns.

    Rows that need no more are measured once, rivals on a lasting Redis in the first two rounds.
    """
    rows = [row for row in ROWS if settings.rows is None or row.name in settings.rows or row.name == "sync"]
    ours = [row for row in rows if settings.long or not row.long]
    others = contenders(None if settings.rivals is None else set(settings.rivals), settings.modes)
    found = []
    for number in range(settings.rounds):
        found.append(Step(number, FLOOR_ROW, FLOOR))
        mine = [Step(number, row.name, OURS, ours=row) for row in ours if number == 0 or not row.once]
        mine.sort(key=lambda step: step.row != "sync")
        theirs = [
            Step(number, SESSION, each.name, rival=each)
            for each in others
            if number < 2 or each.mode in (None, "none")
        ]
        found.append(mine.pop(0))
        found.extend(_taking_turns(mine, theirs))
    return found


def _taking_turns(mine: list[Step], theirs: list[Step]) -> list[Step]:
    """Both lists in their order, evenly mixed."""
    whole = [
        (at / max(1, len(several)), step) for several in (mine, theirs) for at, step in enumerate(several)
    ]
    return [step for _, step in sorted(whole, key=lambda placed: placed[0])]
