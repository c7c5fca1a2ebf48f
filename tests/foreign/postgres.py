"""A PostgreSQL server of a test's own, on loopback, from the programs that the distribution has installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path | None:
    """Where the newest server's programs are."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def _owner() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def server() -> Iterator[str]:
    """Its connection string. Skips where PostgreSQL is not installed; fails there with CI=true."""
    bin = programs()
    if bin is None:
        why = "PostgreSQL is not installed: apt-get install postgresql"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    owner = _owner()
    # Not in the test's folder, which is closed to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="pyqueue-postgres-"))
    if owner is not None:
        shutil.chown(folder, owner)
    data, port = folder / "data", _free_port()

    def run(*command: str | Path) -> None:
        # To a file: the server inherits it, and would hold a pipe open.
        with (folder / "said").open("wb") as said:
            done = subprocess.run(
                command,
                user=owner,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                check=False,
            )
        assert done.returncode == 0, (folder / "said").read_text()

    try:
        run(bin / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "--no-instructions")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories=''"
        run(bin / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"host=127.0.0.1 port={port} user=tester dbname=postgres"
        finally:
            run(bin / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)
