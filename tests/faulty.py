"""The test build: the extension with guards that can be switched off and calls that can fail, beside the sound one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PLACE: Final = ROOT / "target" / "faulty"
"""To be put first on the module search path."""


def build() -> Path:
    """Builds it; its place."""
    command = ["cargo", "build", "--release", "--quiet", "--features", "python,mutants,faults"]
    subprocess.run(command, cwd=ROOT, check=True)
    package = PLACE / "pyqueue"
    package.mkdir(parents=True, exist_ok=True)
    for entry in package.iterdir():
        entry.unlink()
    for entry in (ROOT / "pyqueue").iterdir():
        if not entry.name.startswith("_core.abi3"):
            (package / entry.name).symlink_to(entry)
    shutil.copy(ROOT / "target" / "release" / "libpyqueue_core.so", package / "_core.abi3.so")
    return PLACE
