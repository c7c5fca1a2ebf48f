"""JSON by msgspec, where that is installed (``pip install pyqueue-sqlite[fast]``): a tenth of the time of ``json``.

Whatever it would write or read otherwise than ``json`` does is left to ``json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, NamedTuple

_SAME: Final = frozenset({int, str, bool, type(None)})
"""What both write alike, but for the escapes in strings. Not float: NaN would become null."""


class QuickJSON(NamedTuple):
    """Encodes what ``fits``; decodes anything, or raises some exception."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


@cache
def quick_json() -> QuickJSON | None:
    """None where msgspec is not installed. Loaded at the first use, which an app is: it takes 25 ms."""
    try:
        from msgspec.json import Decoder, Encoder  # noqa: PLC0415  optional
    except ImportError:
        return None
    return QuickJSON(Encoder().encode, Decoder().decode)


def fits(values: Iterable[object]) -> bool:
    """Whether both write each of these values alike."""
    return _SAME.issuperset(map(type, values))
