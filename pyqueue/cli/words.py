"""What a command says: JSON, text from the file, colour."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyqueue.plain import plain as plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

SCHEMA: Final = 1

_COLOURS: Final = {
    "success": 32,
    "ok": 32,
    "idle": 32,
    "busy": 36,
    "wedged": 31,
    "running": 36,
    "retrying": 33,
    "retry": 33,
    "lost": 33,
    "warning": 33,
    "parked": 33,
    "prepared": 33,
    "held": 33,
    "failure": 31,
    "problem": 31,
    "failed": 31,
    "dead": 31,
    "cancelled": 35,
    "expired": 35,
}


def print_json(path: str | None, answer: Mapping[str, Any]) -> None:
    """One object on one line; values that JSON lacks as the tags in which they are stored."""
    import json  # noqa: PLC0415

    from pyqueue.tags import tagged  # noqa: PLC0415

    print(json.dumps({"schema": SCHEMA, "db": path, **answer}, default=tagged))


def shortened(text: str, width: int) -> str:
    """At most ``width`` characters, the last of them dots where something is missing."""
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."


def coloured(word: str, padded: str | None = None) -> str:
    """A state in its colour, on a terminal that wants colours. ``padded``: the word with its blanks."""
    text = word if padded is None else padded
    colour = _COLOURS.get(word)
    return f"\x1b[{colour}m{text}\x1b[0m" if colour is not None and colours_wanted() else text


def colours_wanted() -> bool:
    """Whether standard output is a terminal and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
