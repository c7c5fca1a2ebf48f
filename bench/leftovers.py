"""One run at a time in a folder, and nothing left there by one that was killed."""

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyqueue.bench.tally import FOLDER

PREFIX = "run-"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the folder until the block ends; what a killed run has left is ended and deleted first.

    Raises SystemExit where another run is going on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SystemExit(
            f"another run is going on in {folder}; wait for it, or name another --folder"
        ) from None
    try:
        _end_processes(folder.resolve())
        for left in folder.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _end_processes(folder: Path) -> None:
    """Those that are in a run's folder below this one, or whose environment says that they count there."""
    place = os.fspath(folder / PREFIX)
    told = os.fsencode(f"{FOLDER}={place}")
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                # Redis writes its title over its environment.
                there = str((entry / "cwd").readlink()).startswith(place)
                if there or any(
                    each.startswith(told) for each in (entry / "environ").read_bytes().split(b"\0")
                ):
                    os.kill(int(entry.name), signal.SIGKILL)
