"""A full disk at the commit of a task's own transaction: DiskFull, nothing half done, and no restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_disk

PROGRAM = Path(__file__).parent / "full_disk_commit.py"


def test_a_disk_that_is_full_at_the_commit_leaves_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(Path(small_disk.__file__).parent)},
    )
    if ended.returncode == small_disk.NOT_ALLOWED:
        pytest.skip(f"no disk can be mounted here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["error"] == "pyqueue._core.DiskFull", ended.stderr
    assert "the disk is full" in report["message"]
    assert report["left"] == []
    assert report["again"] == "SUCCESS"
    assert report["made"] == ["made"]
    assert report["wrong"] == []
