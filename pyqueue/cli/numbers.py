"""Numbers that a user may give."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from pyqueue import knobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

MAX_COUNT: Final = 1_000_000_000
MAX_SECONDS: Final = 10_000_000_000.0
"""300 years, which a count of microseconds still holds."""


def positive(text: str) -> int:
    """A whole number above 0."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= MAX_COUNT):
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {MAX_COUNT:,}")
    return int(text)


def seconds(text: str) -> float:
    """A length of time."""
    try:
        length = float(text)
    except ValueError:
        length = -1.0
    if not 0 <= length <= MAX_SECONDS:
        raise ArgumentTypeError(f"{text!r} is no number of seconds from 0")
    return length


def length_of_time(text: str) -> float:
    """A length of time above 0, with or without a unit."""
    return _length(knobs.seconds, text)


def length(text: str) -> float:
    """Seconds, or a length with its unit; 0 is none."""
    return _length(knobs.grace, text)


def _length(read: Callable[[str], float], text: str) -> float:
    try:
        return read(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not {error}") from None
