from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bad_input import fuse_share
from bad_input.judging import said

USE = """
import sys
from pyqueue import PyQueue
from pyqueue.exceptions import FileRefused
try:
    PyQueue(sys.argv[1] + "/jobs.db").send_task("a")
except FileRefused as error:
    print(error, file=sys.stderr)
    sys.exit(9)
"""


def used_on_a_share(folder: Path) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, fuse_share.__file__, str(folder), USE],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if ended.returncode == fuse_share.NOT_ALLOWED:
        pytest.skip(f"no FUSE file system can be mounted here: {ended.stderr.strip()}")
    return ended


def test_a_file_on_a_share_is_refused_by_the_name_of_its_file_system(tmp_path: Path) -> None:
    ended = used_on_a_share(tmp_path)
    assert ended.returncode == 9, ended
    said(ended.stderr, happened="file system is FUSE .*can't be trusted", do="put the file on a local disk")
    assert list(tmp_path.iterdir()) == []


def test_control_without_the_share_the_same_folder_is_fine(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], check=False, capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == 0, ended
    assert (tmp_path / "jobs.db").exists()
