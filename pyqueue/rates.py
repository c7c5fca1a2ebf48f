"""So many in a length of time, as in ``"10/m"``."""

from __future__ import annotations

from typing import Final, NamedTuple

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Rate(NamedTuple):
    """``most`` in each ``seconds``."""

    most: int
    seconds: int

    @property
    def each_us(self) -> int:
        """How long (µs) it is from one to the next."""
        return max(1, round(self.seconds * 1e6 / self.most))


def rate(text: object) -> Rate:
    """Reads "10/s", "10/m", "10/h" or "10/d". Raises ValueError."""
    if isinstance(text, str):
        most, _, unit = text.partition("/")
        if most.isdecimal() and most.isascii() and 0 < len(most) < 10 and int(most) > 0 and unit in _UNITS:
            return Rate(int(most), _UNITS[unit])
    raise ValueError(f"a rate is a text such as '10/s', '10/m', '10/h' or '10/d', not {text!r:.80}")


def is_rate(text: object) -> bool:
    """Whether it can be read."""
    try:
        rate(text)
    except ValueError:
        return False
    return True
