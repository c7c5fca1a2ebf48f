"""Asking for help costs little: instructions are counted, since a shared machine's seconds tell nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cost.counting import instructions, needs

pytestmark = needs("valgrind")

# In bare interpreters.
BOUND = 3.0
START = "import sys; from pyqueue.cli.main import main; sys.exit(main())"
HEAVY = "import asyncio, argparse, json; "


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> int:
    return instructions(tmp_path_factory.mktemp("bare"), sys.executable, "-c", "pass")


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_costs_little(tmp_path: Path, bare: int, word: str) -> None:
    shown = instructions(tmp_path, sys.executable, "-c", START, word)
    print(f"{word}: {shown / bare:.2f} of a bare interpreter")
    assert shown <= BOUND * bare


def test_control_usual_imports_exceed_the_bound(tmp_path: Path, bare: int) -> None:
    shown = instructions(tmp_path, sys.executable, "-c", HEAVY + START, "--help")
    print(f"{shown / bare:.2f} of a bare interpreter")
    assert shown > BOUND * bare


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    program = """
import sys
from pyqueue.cli.main import main
try:
    main(["result", "--help"])
finally:
    print("loaded", *sorted(name for name in sys.modules if name.startswith("pyqueue.cli.")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "pyqueue.cli.result" in loaded
    assert not loaded & {f"pyqueue.cli.{name}" for name in ("worker", "status", "call", "demo", "purge")}
