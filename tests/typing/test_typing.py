"""mypy and pyright agree with what the types promise to users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"


def marked(path: Path) -> set[int]:
    return {at for at, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# error")}


def by_mypy(path: Path, cache: Path) -> dict[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--output=json", "--cache-dir", str(cache), str(path)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode in (0, 1), done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {each["line"]: each["message"] for each in lines if each["severity"] == "error"}


def by_pyright(path: Path, _cache: Path) -> dict[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(path)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {
        each["range"]["start"]["line"] + 1: each["message"] for each in found if each["severity"] == "error"
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize("check", [by_mypy, by_pyright])
@pytest.mark.parametrize("name", ["accepted.py", "refused.py"])
def test_errors_are_where_they_should_be_and_nowhere_else(
    check: Callable[[Path, Path], dict[int, str]], name: str, tmp_path: Path
) -> None:
    path = PROGRAMS / name
    found = check(path, tmp_path)
    lines = path.read_text().splitlines()
    assert {lines[at - 1]: found.get(at) for at in found.keys() ^ marked(path)} == {}


def test_control_there_are_lines_to_refuse() -> None:
    assert len(marked(PROGRAMS / "refused.py")) > 15
    assert marked(PROGRAMS / "accepted.py") == set()
