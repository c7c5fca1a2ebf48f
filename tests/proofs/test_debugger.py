"""``-P solo`` in a terminal: a debugger in a task talks with whoever sits there."""

from __future__ import annotations

import bdb
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest
from processes import tree, write_app

from pyqueue import PyQueue

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")

@app.task(name="halts")
def halts():
    answer = 41
    breakpoint()
    return answer
"""


class Terminal:
    """A worker with a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "pyqueue", "worker", "--db", "jobs.db", "-A", "app.py", *arguments]
        self.said = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execv(sys.executable, command)

    def until(self, text: str, timeout: float = 20) -> None:
        end = time.monotonic() + timeout
        while text not in self.said:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} did not come: {self.said}"
            if select.select([self._fd], [], [], left)[0]:
                self.said += os.read(self._fd, 65_536).decode()

    def type(self, line: str) -> None:
        os.write(self._fd, f"{line}\n".encode())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in tree(self.pid):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app beside its module."""
    write_app(tmp_path, APP)
    return PyQueue(tmp_path / "jobs.db", durability="normal")


def test_a_breakpoint_in_a_task_halts_it(app: PyQueue, tmp_path: Path) -> None:
    with Terminal(tmp_path, "-P", "solo") as worker:
        worker.until(" ready: ")
        result = app.signature("halts").delay()
        worker.until("(Pdb)")
        worker.type("!answer = answer + 1")
        worker.type("continue")
        assert result.get(timeout=20) == 42


def test_control_in_other_pools_nobody_answers_it(app: PyQueue, tmp_path: Path) -> None:
    with Terminal(tmp_path, "-P", "prefork", "-c", "1") as worker:
        worker.until(" ready: ")
        with pytest.raises(bdb.BdbQuit):
            app.signature("halts").delay().get(timeout=20)
