"""``--reload``: notices changes of the application's source files, by the kernel's word."""

from __future__ import annotations

import ctypes
import os
import select
import site
import struct
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from pyqueue.exceptions import ImproperlyConfigured

_QUIET: Final = 0.1
"""Seconds without a further change: an editor, or a checkout, writes several files."""
_HEADER: Final = struct.Struct("iIII")
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_WRITTEN: Final = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE
_IS_FOLDER: Final = 0x40000000


class SourceWatch:
    """Calls ``changed`` after files of these folders, or of folders below them, have changed."""

    def __init__(self, folders: Iterable[str], changed: Callable[[], None]) -> None:
        self._changed: Final = changed
        self._libc: Final = ctypes.CDLL(None, use_errno=True)
        self._fd: Final = self._call("inotify_init1", os.O_CLOEXEC)
        self._folders: Final[dict[int, str]] = {}
        for folder in folders:
            self._watch(folder)
        threading.Thread(target=self._run, name="pyqueue-reload", daemon=True).start()

    def _call(self, name: str, *arguments: Any) -> int:
        got: int = getattr(self._libc, name)(*arguments)
        if got < 0:
            error = os.strerror(ctypes.get_errno())
            raise ImproperlyConfigured(f"--reload can't watch the source files: {name}: {error}")
        return got

    def _watch(self, folder: str) -> None:
        """A folder and those below it, but for hidden ones and caches."""
        for path, below, _ in os.walk(folder):
            below[:] = [name for name in below if _is_source_folder(os.path.join(path, name))]
            number = self._call(
                "inotify_add_watch", self._fd, os.fsencode(path), ctypes.c_uint32(_WRITTEN | _CREATE)
            )
            self._folders[number] = path

    def _run(self) -> None:
        while True:
            if not self._read():
                continue
            while select.select([self._fd], [], [], _QUIET)[0]:
                self._read()
            self._changed()

    def _read(self) -> bool:
        """Waits for events; whether one of them is about source."""
        events = os.read(self._fd, 65_536)
        found = False
        at = 0
        while at < len(events):
            number, what, _, length = _HEADER.unpack_from(events, at)
            at += _HEADER.size
            name = os.fsdecode(events[at : at + length].rstrip(b"\0"))
            at += length
            if what & _IS_FOLDER:
                path = os.path.join(self._folders.get(number, ""), name)
                if what & (_CREATE | _MOVED_TO) and _is_source_folder(path):
                    self._watch(path)
                    found = True
            elif what & _WRITTEN and name.endswith(".py"):
                found = True
        return found


def _is_source_folder(path: str) -> bool:
    name = os.path.basename(path)
    installed = os.path.exists(os.path.join(path, "pyvenv.cfg"))
    return not name.startswith(".") and name not in ("__pycache__", "node_modules") and not installed


def source_folders() -> list[str]:
    """The folders of the modules that are loaded and neither installed nor Python's own; none lies in another."""
    paths = sysconfig.get_paths()
    foreign = [paths[each] for each in ("stdlib", "platstdlib", "purelib", "platlib")]
    foreign += [
        *site.getsitepackages(),
        site.getusersitepackages(),
        os.path.dirname(os.path.dirname(__file__)),
    ]
    found = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            folder = os.path.dirname(os.path.abspath(file))
            if not any(_lies_in(folder, each) for each in foreign):
                found.add(folder)
    return sorted(each for each in found if not any(_lies_in(each, other) for other in found - {each}))


def _lies_in(folder: str, other: str) -> bool:
    return folder == other or folder.startswith(other.rstrip("/") + "/")
