"""Starting, stopping and killing workers, and what the kernel says about processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Final

from pyqueue.exceptions import QueueError

_READY_WITHIN: Final = 20.0
_STOP_WITHIN: Final = 30.0
_REACT_WITHIN: Final = 2.0


class WorkerProcess:
    """One ``pyqueue worker`` that this program has started; its log goes to ``log``."""

    def __init__(
        self,
        name: str,
        target: str,
        path: str,
        concurrency: int,
        log: IO[bytes],
        *,
        flags: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            (
                *(sys.executable, "-m", "pyqueue", "worker", "-A", target, "--db", path),
                *("-c", str(concurrency), "-n", name, *flags),
            ),
            stdout=subprocess.PIPE,
            stderr=log,
            # The tree may be this Python's own library; a worker must not add compiled files to it.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Waits for its ready line. Raises QueueError if it ends or says nothing for 20 s."""
        assert self._process.stdout is not None
        end = time.monotonic() + _READY_WITHIN
        said = b""
        while b"\n" not in said:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 4096) if readable else b""
            if not more:
                raise QueueError(f"worker {self.name} did not start")
            said += more

    def kill(self) -> None:
        """SIGKILL; returns when the kernel has it gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Warm stop; the exit code. Killed if it takes longer than 30 s."""
        self._process.terminate()
        try:
            return self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def close(self) -> None:
        """Frees the pipe."""
        if self._process.stdout is not None:
            self._process.stdout.close()


def lives(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        # The name before the state stands in parentheses and may hold any byte.
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0] not in b"ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """The processes that a process has started, by any of its threads."""
    try:
        found = [_read(f"/proc/{pid}/task/{thread}/children") for thread in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for text in found for child in text.split()]


def kill(pid: int) -> None:
    """SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def gone(pids: list[int]) -> bool:
    """Waits up to 2 s for all of them to end."""
    end = time.monotonic() + _REACT_WITHIN
    while any(map(lives, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()
