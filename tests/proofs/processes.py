"""Real processes for the proofs: started, watched by the kernel's word, and always killed in the end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

READY_WITHIN = 20.0


def write_app(folder: Path, source: str, name: str = "app.py") -> None:
    """Writes a user's module."""
    (folder / name).write_text(source)


def until(condition: Callable[[], Any], timeout: float = 15, what: str = "the condition") -> Any:
    """Waits until the condition holds; what it gave."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {timeout} s"
        time.sleep(0.005)
    return found


def state_of(pid: int) -> str | None:
    """The letter of a process's state; None if there is no such process."""
    try:
        # The name before it stands in parentheses and may hold any byte.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid: int) -> bool:
    """Whether it still runs: a zombie does not."""
    return state_of(pid) not in (None, "Z", "X")


def children(pid: int) -> list[int]:
    """Of all its threads, since any of them may have started one."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def stop(pids: Sequence[int]) -> None:
    """SIGSTOP; returns when the kernel shows all of them stopped."""
    send(signal.SIGSTOP, pids)
    until(lambda: all(state_of(pid) == "T" for pid in pids), what="all are stopped")


def seconds_to_end(pids: Sequence[int], timeout: float) -> float | None:
    """How long until the kernel has ended all of them; None if one still runs when the time is over."""
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        waiting = set()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                waiting.add(os.pidfd_open(pid))
                stack.callback(os.close, max(waiting))
        while waiting:
            left = timeout - (time.monotonic() - start)
            poll = select.poll()
            for descriptor in waiting:
                poll.register(descriptor, select.POLLIN)
            waiting -= {descriptor for descriptor, _ in poll.poll(1000 * max(0.0, left))}
            if waiting and left <= 0:
                return None
    return time.monotonic() - start


class Started:
    """A child process in a group of its own; its standard output and its log can be read at any time."""

    def __init__(
        self, folder: Path, *arguments: str, env: dict[str, str] | None = None, name: str = "process"
    ) -> None:
        self.out, self.log = (folder / f"{name}-{uuid.uuid4().hex[:8]}.{end}" for end in ("out", "log"))
        self.started = time.monotonic()
        with self.out.open("wb") as out, self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**os.environ, **(env or {})},
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_said(self, text: str, timeout: float = READY_WITHIN) -> float:
        """Waits until the text is on its standard output or in its log; the seconds since its start."""
        end = time.monotonic() + timeout
        while text not in self.out.read_text() and text not in self.log.read_text():
            assert self.process.poll() is None, (
                f"ended with {self.process.returncode}: {self.log.read_text()}"
            )
            assert time.monotonic() < end, f"did not say {text!r}: {self.log.read_text()}"
            time.sleep(0.002)
        return time.monotonic() - self.started

    def wait(self, timeout: float) -> int:
        """Its exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout} s: {self.log.read_text()}") from None

    def kill(self) -> None:
        """SIGKILL for it alone."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        send(signal.SIGKILL, tree(self.pid) if self.process.poll() is None else [])
        # Those whose parent has ended already are still in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class Worker(Started):
    """``pyqueue worker`` on app.py and jobs.db of the folder."""

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        where = ("-m", "pyqueue", "worker", "--db", "jobs.db", "-A", "app.py")
        super().__init__(folder, *where, *arguments, env=env, name="worker")

    def __enter__(self) -> Worker:
        return self

    def wait_ready(self) -> float:
        return self.wait_said(" ready: ")

    @property
    def children(self) -> list[int]:
        return children(self.pid)


@contextlib.contextmanager
def worker(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Worker]:
    """A worker that is ready; its whole tree is killed in the end."""
    with Worker(folder, *arguments, env=env) as started:
        started.wait_ready()
        yield started
