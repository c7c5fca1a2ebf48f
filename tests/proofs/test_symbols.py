"""The extension shows nobody its copy of SQLite: another library in the process can't be bound to it."""

from __future__ import annotations

from cffi import FFI

from pyqueue import _core


def shows(symbol: str) -> bool:
    """Whether the extension exports a function of this name."""
    ffi = FFI()
    ffi.cdef(f"void {symbol}(void);")
    return hasattr(ffi.dlopen(_core.__file__), symbol)


def test_no_function_of_sqlite_is_exported() -> None:
    names = ("sqlite3_libversion", "sqlite3_open_v2", "sqlite3_initialize", "sqlite3_vfs_find")
    assert [name for name in names if shows(name)] == []


def test_control_what_is_exported_is_seen() -> None:
    assert shows("PyInit__core")
