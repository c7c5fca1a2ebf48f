"""What every test of bad input compares: the file's rows before and after, and the sentence that was said."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

Rows = dict[str, list[tuple[object, ...]]]


def rows(db: Path) -> Rows:
    """Every row of every table of ours, read by another program's copy of SQLite; {} where there is no file."""
    if not db.exists():
        return {}
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        named = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type='table' AND name LIKE 'pyqueue\\_%' ESCAPE '\\'"
        )
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for (name,) in named.fetchall()
        }


@contextmanager
def unchanged(db: Path) -> Iterator[None]:
    """The block leaves every row as it was."""
    before = rows(db)
    yield
    assert rows(db) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, byte by byte."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_sentence(text: str, *, happened: str, do: str) -> bool:
    """Whether a text is one sentence that says what happened and what to do, both given as patterns."""
    return (
        "\n" not in text.strip()
        and "Traceback" not in text
        and len(text) < 500
        and re.search(happened, text) is not None
        and re.search(do, text) is not None
    )


def said(error: BaseException | str, *, happened: str, do: str) -> None:
    """Asserts that an error is such a sentence."""
    assert is_sentence(str(error), happened=happened, do=do), str(error)
