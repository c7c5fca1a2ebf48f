"""A disk of a few megabytes that only this process and its children see, to be filled and emptied again."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

NOT_ALLOWED = 77

NEW_MOUNTS, NEW_USERS, RECURSIVE_PRIVATE = 0x20000, 0x1000_0000, 0x4000 | 0x40000


def mount(folder: Path, megabytes: int) -> None:
    """Mounts it in a space of mounts that ends with this process. Raises OSError where this user may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    spaces = NEW_MOUNTS if os.getuid() == 0 else NEW_MOUNTS | NEW_USERS
    for failed in (
        lambda: libc.unshare(spaces),
        lambda: libc.mount(b"none", b"/", None, RECURSIVE_PRIVATE, None),
        lambda: libc.mount(b"disk", os.fsencode(folder), b"tmpfs", 0, f"size={megabytes}m".encode()),
    ):
        if failed() != 0:
            raise OSError(ctypes.get_errno(), "mount")


def fill(folder: Path) -> None:
    """Takes every free block, as another program would."""
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (1 << 20, 1 << 12):
            while written(ballast, size):
                pass
    finally:
        os.close(ballast)


def written(ballast: int, size: int) -> bool:
    try:
        return os.write(ballast, bytes(size)) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def empty(folder: Path) -> None:
    """Gives back what `fill` took."""
    (folder / "ballast").unlink()


def free(folder: Path) -> int:
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize
