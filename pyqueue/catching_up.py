"""Which times of a schedule are to be fired now, and which are left out: the policy for times that were missed."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from pyqueue.periodic import LATE_US, Periodic

MOST: Final = 100
"""Of the times that were missed, so many are made up for at most."""
_COUNTED: Final = 10_000
"""So many are looked at one by one; where there are more, ``skipped`` is less than what was left out."""


class Step(NamedTuple):
    """One move of a schedule's row."""

    expected_us: int
    """Where the row is."""
    time_us: int
    """What is fired, or left out."""
    skipped: int
    """How many times before it are left out."""
    fires: bool
    next: tuple[int, int] | None


def steps(periodic: Periodic, next_us: int, now_us: int) -> list[Step]:
    """What to do about a schedule whose next time is ``next_us``, in order. Nothing where that is yet to come."""
    missed, count, following = _missed(periodic, next_us, now_us)
    if not count:
        return []
    rules = periodic.rules
    deadline = rules.deadline_us
    if deadline is None and rules.catch_up == "skip":
        deadline = LATE_US
    wanted = list(missed) if rules.catch_up == "all" else [missed[-1]]
    if deadline is not None:
        wanted = [each for each in wanted if now_us - periodic.due_us(each) <= deadline]
    if not wanted:
        return [Step(next_us, missed[-1], count - 1, False, following)]
    nexts = [*((each, periodic.due_us(each)) for each in wanted[1:]), following]
    places = [next_us, *wanted[1:]]
    first = count - len(wanted)
    return [
        Step(place, time, 0 if at else first, True, after)
        for at, (place, time, after) in enumerate(zip(places, wanted, nexts, strict=True))
    ]


def _missed(periodic: Periodic, next_us: int, now_us: int) -> tuple[deque[int], int, tuple[int, int] | None]:
    """The last of the times that are due, how many there are, and the one after them."""
    last: deque[int] = deque(maxlen=MOST)
    count, time = 0, next_us
    while (due := periodic.due_us(time)) <= now_us:
        last.append(time)
        count += 1
        after = time
        if count == _COUNTED:
            # Closer to now, by how dense they were so far.
            after = max(time, now_us - (time - next_us) // count * 2 * MOST)
        following = periodic.after_us(after)
        if following is None:
            return last, count, None
        time = following
    return last, count, (time, due)
