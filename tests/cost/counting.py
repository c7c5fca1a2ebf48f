"""Counts what a program does: instructions by cachegrind, system calls by strace. A shared machine's seconds tell nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def needs(program: str) -> pytest.MarkDecorator:
    """Skips where a program is not installed, unless this is CI."""
    return pytest.mark.skipif(
        shutil.which(program) is None and os.environ.get("CI") != "true",
        reason=f"{program} is not installed (CI=true makes this a failure)",
    )


def instructions(folder: Path, *command: str) -> int:
    """Instructions of a command. Its bytecode is in place: it runs once before."""
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    counted = subprocess.run(
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    found = re.search(r"I +refs: +([\d,]+)", counted.stderr)
    assert found is not None, counted.stderr
    return int(found[1].replace(",", ""))


def system_calls(folder: Path, *command: str) -> int:
    """System calls of a command and its threads."""
    out = folder / "calls"
    subprocess.run(["strace", "-f", "-c", "-o", out, *command], cwd=folder, capture_output=True, check=True)
    total = out.read_text().splitlines()[-1].split()
    assert total[-1] == "total", total
    return int(total[-3] if total[-2].isdigit() and len(total) > 5 else total[-2])
