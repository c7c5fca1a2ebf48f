"""One measure in a process of its own, so that it finds nothing that another left: memory, threads, descriptors.

``python -m pyqueue.bench.measure ROW FOLDER SCALE`` makes one and prints its figures as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import Final

from pyqueue.bench.figures import Figures
from pyqueue.bench.tally import FOLDER
from pyqueue.exceptions import QueueError

_BYTES_A_JOB: Final = 700
_MOST_JOBS: Final = 10_000_000


def measure(row: str, folder: str, scale: float) -> tuple[Figures, str]:
    """Measures a row in a new folder below ``folder``, which is deleted again; its figures, and the codec.

    Raises QueueError with what it said if it fails.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-", ignore_cleanup_errors=True) as place:
        done = subprocess.Popen(
            (sys.executable, "-m", "pyqueue.bench.measure", row, place, str(scale)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, FOLDER: os.path.abspath(place)},
            start_new_session=True,
        )
        try:
            out, err = done.communicate()
        finally:
            # Its workers are of its session: none is left to disturb the next.
            _end(done)
    if done.returncode != 0:
        raise QueueError(f"the row {row} failed: {err.strip()[-2000:]}")
    said = json.loads(out.splitlines()[-1])
    return said["figures"], said["codec"]


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def room_for(row_is_long: bool, folder: str, scale: float) -> str | None:
    """Why the disk has no room for a row; None if it has."""
    needed = (_MOST_JOBS * scale if row_is_long else _MOST_JOBS * scale / 10) * _BYTES_A_JOB
    free = shutil.disk_usage(folder).free
    return None if free > needed else f"it may need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"


def main() -> None:
    """Runs it."""
    from pyqueue.bench.place import Place  # noqa: PLC0415  only the measuring process loads the rows
    from pyqueue.bench.rows import ROWS  # noqa: PLC0415

    name, folder, scale = sys.argv[1], sys.argv[2], float(sys.argv[3])
    row = next(row for row in ROWS if row.name == name)
    place = Place(folder, row.durability, scale)
    figures = row.measure(place)
    place.app.job_of(place.tasks.nothing.s(0))
    codec = "msgspec" if "msgspec" in sys.modules else "json"
    sys.stdout.write(json.dumps({"figures": figures, "codec": codec}) + "\n")


if __name__ == "__main__":
    main()
