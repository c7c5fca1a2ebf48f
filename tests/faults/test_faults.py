"""Every system call and allocation inside every call of the border fails once, in the test build."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faulty import ROOT, build


@pytest.fixture(scope="module")
def faulty() -> Path:
    return build()


def run(faulty: Path, *arguments: str, mutant: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "tests.faults", *arguments],
        env=os.environ | {"PYTHONPATH": f"{faulty}:{ROOT}", "PYQUEUE_MUTANT": mutant},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)
def test_whatever_fails_a_call_is_made_whole_or_not_at_all(faulty: Path) -> None:
    done = run(faulty, "--first", "12", "--every", "40")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) runs, (\d+) faults met, 0 wrong", done.stdout)
    assert found is not None
    assert int(found[2]) > 1000


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_single_one(faulty: Path) -> None:
    done = run(faulty)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_control_a_commit_that_is_not_checked_is_noticed(faulty: Path) -> None:
    done = run(faulty, "--calls", "enqueue one", mutant="CommitUnchecked")
    assert done.returncode == 1
    assert "it answered, but did not do it" in done.stdout
