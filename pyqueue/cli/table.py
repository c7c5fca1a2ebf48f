"""Rows of text in columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pyqueue.cli.words import coloured, plain, shortened

_NARROWEST = 8


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[int] = (0,),
    whole: Sequence[int] = (),
) -> str:
    """Columns of ``left`` to the left, the others to the right.

    On a terminal the widest left ones are shortened until all fit, except those of ``whole``.
    """
    lines = [header, *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    if sys.stdout.isatty():
        _narrow(widths, [each for each in left if each not in whole], _terminal())
    return "\n".join(_line(line, widths, left) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[int]) -> str:
    shown = []
    for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = shortened(cell, width)
        shown.append(coloured(text, text.ljust(width) if column in left else text.rjust(width)))
    return "  ".join(shown).rstrip()


def _narrow(widths: list[int], left: Sequence[int], room: int) -> None:
    over = sum(widths) + 2 * (len(widths) - 1) - room
    while over > 0:
        widest = max(left, key=lambda column: widths[column])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
        over -= 1


def _terminal() -> int:
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80
