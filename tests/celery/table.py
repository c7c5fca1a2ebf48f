"""The promises as the tables of docs/from_celery.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import promises_control  # noqa: F401  registers its promises
import promises_differing  # noqa: F401
import promises_inspect  # noqa: F401
import promises_same  # noqa: F401
import promises_workflows  # noqa: F401
from promising import PROMISES

PAGE = Path(__file__).parents[2] / "docs" / "from_celery.md"


def _cell(value: Any) -> str:
    return f"`{value}`".replace("|", "\\|")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables() -> dict[str, str]:
    """Each table by the name of its place in the page."""
    different = [each for each in PROMISES if each.why]
    alike = [each for each in PROMISES if not each.why]
    return {
        "different": _table(
            ("", "Celery", "pyqueue", "why"),
            [(each.text, _cell(each.celery), _cell(each.pyqueue), each.why) for each in different],
        ),
        "alike": _table(("", "both"), [(each.text, _cell(each.pyqueue)) for each in alike]),
    }


def filled(page: str) -> str:
    """The page with the tables of today in their places."""
    for name, table in tables().items():
        page, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda found, table=table: found[1] + table + "\n" + found[2],
            page,
            flags=re.DOTALL,
        )
        assert count == 1, f"the page has {count} places for the table {name}"
    return page
