"""A worker whose thread stands still says so, tells where everybody is, and starts anew."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Started, alive, children, state_of, stop, until, worker, write_app

from pyqueue import PyQueue

APP = """
import time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task(name="in_the_middle")
def in_the_middle():
    mark = Path("mark")
    if not mark.exists():
        mark.touch()
        time.sleep(60)
    return "ran again"

@app.task(name="well")
def well(n): return n
"""

# A debugger's way to stop one thread of a running process; it has to be told of the thread's end.
HOLD = """
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
ptrace.restype = ctypes.c_long
SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
thread = int(sys.argv[1])
for request in (SEIZE, INTERRUPT):
    if ptrace(request, thread, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
os.waitpid(thread, WALL)
print("held", flush=True)
os.waitpid(thread, WALL)
"""

STALL = 2.0


@contextmanager
def held(folder: Path, process: Started) -> Iterator[None]:
    """The thread that decides everything is stopped, and no other."""
    tasks = Path(f"/proc/{process.pid}/task")
    [thread] = [task.name for task in tasks.iterdir() if (task / "comm").read_text() == "pyqueue-worker\n"]
    with Started(folder, "-c", HOLD, thread, name="holder") as holder:
        holder.wait_said("held")
        yield


def stalls_after(seconds: float) -> dict[str, str]:
    return {"PYQUEUE_STALL_TIMEOUT": str(seconds)}


def test_a_worker_that_stands_still_says_where_and_starts_anew(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with worker(tmp_path, "-c", "1", env=stalls_after(STALL)) as process:
        running = app.send_task("in_the_middle")
        until((tmp_path / "mark").exists)
        [child] = children(process.pid)
        with held(tmp_path, process):
            waiting = app.send_task("well", [1])
            process.wait_said(f"the worker's loop has stood still for {STALL:g} s; that was while it waited")
            assert waiting.get(timeout=20) == 1
        assert running.get(timeout=20) == "ran again"
        log = process.log.read_text()
        assert "pyqueue-worker: state t" in log, "the worker's threads"
        assert "in in_the_middle" in log, "the child's stack"
        assert "main.py" in log, "the stack of the worker's Python"
        assert log.count("the worker starts anew") == 1
        assert state_of(child) is None, "it is gone, and no zombie"
        assert process.process.poll() is None
        process.process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_worker_that_stands_still_and_was_told_to_stop_ends(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    with worker(tmp_path, "-c", "1", env=stalls_after(STALL)) as process, held(tmp_path, process):
        [child] = children(process.pid)
        process.process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
        assert not alive(child)
        log = process.log.read_text()
    assert "the worker ends, as it was told to" in log
    assert "starts anew" not in log


def test_control_without_the_watch_it_stands_still(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with worker(tmp_path, "-c", "1", env=stalls_after(0)) as process, held(tmp_path, process):
        waiting = app.send_task("well", [1])
        # Nothing happens: that is what is waited for.
        time.sleep(1.5 * STALL)
        assert waiting.state == "PENDING"
        assert "stood still" not in process.log.read_text()


def test_a_process_that_was_stopped_as_a_whole_is_no_standstill(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with worker(tmp_path, "-c", "1", env=stalls_after(STALL)) as process:
        stop([process.pid])
        waiting = app.send_task("well", [1])
        time.sleep(1.5 * STALL)
        os.kill(process.pid, signal.SIGCONT)
        assert waiting.get(timeout=20) == 1
        assert "stood still" not in process.log.read_text()


EMBEDDED = """
import time
from app import app

if __name__ == "__main__":
    with app.worker(target="app.py", concurrency=1):
        print("ready: pid", flush=True)
        time.sleep(60)
"""


def test_a_worker_inside_of_another_program_says_so_and_lets_it_live(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    write_app(tmp_path, EMBEDDED, "host.py")
    with Started(tmp_path, str(tmp_path / "host.py"), env=stalls_after(STALL)) as host:
        host.wait_said("ready: pid")
        with held(tmp_path, host):
            host.wait_said("is not ended; once it is restarted")
            assert "has stood still for" in host.log.read_text()
        assert host.process.poll() is None
        # The holder is gone, and the thread goes on.
        host.wait_said("the worker's loop goes on")
