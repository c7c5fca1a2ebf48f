"""A Redis server of our own: on loopback, on a free port, with its files in a folder that goes away."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.contenders import MODES
from bench.installing import CannotInstall, redis_command


class Server(NamedTuple):
    """A running one."""

    port: int
    pid: int
    settings: str


@contextmanager
def redis_server(folder: Path, mode: str) -> Iterator[Server]:
    """Runs until the block ends. Raises CannotInstall where there is no Redis or it does not start."""
    command, environment = redis_command()
    port = _free_port()
    flags = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--protected-mode", "yes"]
    log = (folder / "redis.log").open("wb")
    process = subprocess.Popen(
        [*command, *flags, *MODES[mode]],
        env={**os.environ, **environment},
        stdout=log,
        stderr=log,
    )
    try:
        _wait(process, port, folder / "redis.log")
        shown = " ".join(word or '""' for word in MODES[mode])
        yield Server(port, process.pid, shown)
    finally:
        process.kill()
        process.wait()
        log.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.sendall(b"PING\r\n")
                if client.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.02)
    raise CannotInstall(f"redis-server did not start: {log.read_text()[-500:]}")
