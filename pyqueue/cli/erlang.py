"""How many children a load needs: Erlang's formula for a line in front of many servers (M/M/c).

A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic telephone
exchanges", 1917; as in R. B. Cooper, "Introduction to Queueing Theory", 2nd ed. 1981, section 3.5. It assumes that calls
come independently of each other. For run times that vary more or less than exponential ones, waits are stretched by
(1 + c²) / 2, where c² is their squared coefficient of variation: A. O. Allen and J. Cunneen's approximation, in Allen,
"Probability, Statistics and Queueing Theory", 2nd ed. 1990, section 5.3.
"""

from __future__ import annotations

import math
from typing import Final

MOST: Final = 100_000
"""Children that are looked at."""


def waiting(servers: int, load: float) -> float:
    """The share of calls that must wait (Erlang C). ``load`` is the arrivals in one run time, below ``servers``."""
    if load >= servers:
        return 1.0
    blocked = 1.0
    for each in range(1, servers + 1):
        blocked = load * blocked / (each + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def waiting_longer(servers: int, load: float, run_time: float, time: float, varied: float = 1.0) -> float:
    """The share of calls that wait for longer than ``time``. ``varied`` is c² of the run times."""
    if load >= servers:
        return 1.0
    stretched = run_time * (1 + varied) / 2
    if stretched == 0:
        return 0.0
    return waiting(servers, load) * math.exp(-(servers - load) * time / stretched)


def servers_for(load: float, run_time: float, time: float, share: float, varied: float = 1.0) -> int | None:
    """The fewest for which ``share`` of the calls start within ``time``; None if that is beyond ``MOST``."""
    low = high = math.floor(load) + 1
    while waiting_longer(high, load, run_time, time, varied) > 1 - share:
        if high >= MOST:
            return None
        low, high = high + 1, min(high * 2, MOST)
    while low < high:
        middle = (low + high) // 2
        if waiting_longer(middle, load, run_time, time, varied) > 1 - share:
            low = middle + 1
        else:
            high = middle
    return high
