"""Starting, stopping and killing workers, and what the kernel says about processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from typing import IO, Final

from pyqueue.exceptions import QueueError

_READY_WITHIN: Final = 20.0
_STOP_WITHIN: Final = 30.0
_REACT_WITHIN: Final = 2.0


class WorkerProcess:
    """One ``pyqueue worker`` that this program has started; its log goes to ``log``."""

    def __init__(self, name: str, target: str, path: str, concurrency: int, log: IO[bytes]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            (
                *(sys.executable, "-m", "pyqueue", "worker", "-A", target, "--db", path),
                *("-c", str(concurrency), "-n", name),
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

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if it is still there."""
        self._process.send_signal(number)

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


def parent_and_state(pid: int) -> tuple[int, str] | None:
    """Of a process: its parent's pid and its state's letter; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name before it stands in parentheses and may hold any byte.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), fields[0].decode("ascii")


def freeze(pid: int) -> bool:
    """SIGSTOP; waits until the kernel shows it stopped. False, and not stopped, if it is gone or does not react."""
    if not _send(pid, signal.SIGSTOP):
        return False
    end = time.monotonic() + _REACT_WITHIN
    while time.monotonic() < end:
        found = parent_and_state(pid)
        if found is None or found[1] in "ZX":
            return False
        if found[1] == "T":
            return True
        time.sleep(0.0005)
    thaw(pid)
    return False


def thaw(pid: int) -> None:
    """SIGCONT."""
    _send(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """SIGKILL."""
    _send(pid, signal.SIGKILL)


def gone(pids: list[int]) -> bool:
    """Waits up to 2 s for all of them to end."""
    end = time.monotonic() + _REACT_WITHIN
    while any((found := parent_and_state(pid)) is not None and found[1] not in "ZX" for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
