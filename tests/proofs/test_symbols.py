"""The extension shows nobody its copy of SQLite, and asks nobody for one: no other copy can be bound to it."""

from __future__ import annotations

import _sqlite3
import subprocess

from pyqueue import _core


def of_sqlite(library: str) -> set[str]:
    """The functions and variables of SQLite among the symbols that a library exports or asks for."""
    listed = subprocess.run(
        ["nm", "--dynamic", "--format=posix", library], check=True, capture_output=True, text=True
    )
    names = {line.split()[0].partition("@")[0] for line in listed.stdout.splitlines()}
    assert any(name.startswith("PyInit_") for name in names), f"{library} is no extension"
    return {name for name in names if name.startswith("sqlite3")}


def test_no_symbol_of_sqlite_is_exported_or_imported() -> None:
    assert of_sqlite(_core.__file__) == set()
    assert _core.sqlite_version.startswith("3."), "its own copy is inside"


def test_control_a_module_that_is_bound_to_sqlite_is_seen() -> None:
    assert "sqlite3_open_v2" in of_sqlite(_sqlite3.__file__)
