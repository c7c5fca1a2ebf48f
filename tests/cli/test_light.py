"""Asking for help costs little: instructions are counted, since a shared machine's seconds tell nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("valgrind") is None and os.environ.get("CI") != "true",
    reason="valgrind is not installed (CI=true makes this a failure)",
)

# In bare interpreters.
BOUND = 3.0
START = "import sys; from pyqueue.cli.main import main; sys.exit(main())"
HEAVY = "import asyncio, argparse, json; "


def instructions(folder: Path, program: str, *arguments: str) -> int:
    """Instructions of a fresh interpreter with bytecode in place."""
    command = [sys.executable, "-c", program, *arguments]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    counted = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    found = re.search(r"Collected : (\d+)", counted.stderr)
    assert found is not None, counted.stderr
    return int(found[1])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> int:
    return instructions(tmp_path_factory.mktemp("bare"), "pass")


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_costs_little(tmp_path: Path, bare: int, word: str) -> None:
    shown = instructions(tmp_path, START, word)
    print(f"{word}: {shown / bare:.2f} of a bare interpreter")
    assert shown <= BOUND * bare


def test_control_usual_imports_exceed_the_bound(tmp_path: Path, bare: int) -> None:
    shown = instructions(tmp_path, HEAVY + START, "--help")
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
