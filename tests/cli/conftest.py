"""The command in a process of its own, in the test's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        # No settings of whoever runs the tests; a guard that is off stays off.
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYQUEUE_") or name == "PYQUEUE_MUTANT"
        }
        return subprocess.run(
            [sys.executable, "-m", "pyqueue", *arguments],
            cwd=tmp_path,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs the command on a terminal; its exit code and all that it showed. ``typed`` is what the user types."""

    def run(*arguments: str, typed: bytes = b"", **environment: str) -> tuple[int, str]:
        clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "PYQUEUE_DB")}
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "pyqueue", *arguments],
            cwd=tmp_path,
            env={**clean, "TERM": "xterm", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        os.write(ours, typed)
        shown = b""
        try:
            while more := os.read(ours, 65536):
                shown += more
        except OSError:
            pass  # the last one that had the terminal open has ended
        os.close(ours)
        return process.wait(30), shown.decode()

    return run
