"""The floor of every ``normal`` figure: one-row inserts through the copy of SQLite that the core carries."""

import subprocess
import tempfile
from pathlib import Path

from bench.installing import CannotInstall
from pyqueue.bench.figures import Figures

_ROOT = Path(__file__).parent.parent
_PROGRAM = _ROOT / "target" / "release" / "examples" / "floor"


def build() -> None:
    """Builds ``bench/floor.rs`` if it has changed. Raises CannotInstall."""
    try:
        subprocess.run(
            ("cargo", "build", "--release", "--quiet", "--example", "floor"),
            cwd=_ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise CannotInstall("cargo is not here, so the floor of one-row inserts can't be measured") from error
    except subprocess.CalledProcessError as error:
        raise CannotInstall(f"the floor of one-row inserts can't be built: {error.stderr[-500:]}") from error


def bare_inserts(folder: Path, scale: float) -> Figures:
    """One-row inserts a second, each its own commit, WAL, ``synchronous=NORMAL``."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="floor-") as place:
        count = max(2_000, round(200_000 * scale))
        done = subprocess.run((str(_PROGRAM), place, str(count)), check=True, capture_output=True, text=True)
    return {"rate": float(done.stdout)}
