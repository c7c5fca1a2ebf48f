"""The wheel has no mutants; the test build's are all in the table."""

from __future__ import annotations

import re
from pathlib import Path

from pyqueue import _core
from tests.mutants.table import MUTANTS

SOURCE = Path(__file__).parent.parent.parent / "src"


def enumerated() -> list[str]:
    body = (SOURCE / "mutants.rs").read_text().partition("pub enum Mutant {")[2].partition("}")[0]
    return re.findall(r"^ {4}(\w+),$", body, re.MULTILINE)


def test_the_table_is_the_enumeration() -> None:
    assert list(MUTANTS) == enumerated()
    assert len(MUTANTS) >= 25


def test_each_mutant_switches_something_off() -> None:
    text = "".join(path.read_text() for path in SOURCE.rglob("*.rs") if path.name != "mutants.rs")
    assert [name for name in MUTANTS if f"on(Mutant::{name})" not in text] == []


def test_the_module_in_use_has_no_switch() -> None:
    assert not hasattr(_core, "MUTANTS")
    code = Path(_core.__file__).read_bytes()
    # The text that the switch is read by, and a name that only the switch spells out.
    assert b"PYQUEUE_MUTANT" not in code
    assert b"CursorWithoutMax" not in code
    assert b"PYQUEUE_PAGE" in code, "the control: texts of the core are found"
