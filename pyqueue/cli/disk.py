"""Where a file lies and what its disk promises. The file itself is never opened here: closing it would drop locks."""

from __future__ import annotations

import os
from typing import Any


def facts(path: str) -> dict[str, Any]:
    """Sizes, mode, file system, free space, the device's write cache."""
    real = os.path.realpath(path)
    try:
        status, space = os.stat(real), os.statvfs(real)
    except OSError as error:
        return {"problem": str(error)}
    kind, options = _mount(status.st_dev)
    return {
        "bytes": status.st_size,
        "wal_bytes": _size(f"{real}-wal"),
        "mode": f"{status.st_mode & 0o7777:04o}",
        "links": status.st_nlink,
        "is_symlink": os.path.islink(path),
        "file_system": kind,
        "mount_options": options,
        "free_bytes": space.f_bavail * space.f_frsize,
        "disk_write_cache": _write_cache(status.st_dev),
    }


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _mount(device: int) -> tuple[str, str]:
    """The file system's type and options, from the kernel's list of mounts."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                before, _, after = line.partition(" - ")
                fields, kind = before.split(), after.split()
                if len(fields) > 5 and len(kind) > 2 and fields[2] == number:
                    # An overlay's own options are the host's folders, which no report needs.
                    own = "" if kind[0] == "overlay" else f" ({kind[2]})"
                    return kind[0], fields[5] + own
    except OSError:
        pass
    return "unknown", "unknown"


def _write_cache(device: int) -> str:
    """Whether the disk answers before data is stable; a partition's queue is its disk's."""
    folder = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for queue in ("queue", "../queue"):
        try:
            with open(f"{folder}/{queue}/write_cache", encoding="ascii") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError):
            continue
    return "unknown"
