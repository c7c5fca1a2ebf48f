"""No child outlives its supervisor, whatever it is doing."""

from __future__ import annotations

import signal
from pathlib import Path

from processes import Started, alive, children, seconds_to_end, send, until, worker, write_app

from pyqueue import PyQueue

APP = """
import os, time
from pathlib import Path
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

@app.task
def spin():
    Path(f"started-{os.getpid()}").touch()
    while True: pass

@app.task
def sleep():
    Path(f"started-{os.getpid()}").touch()
    time.sleep(60)
"""

PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; print('sleeps', flush=True); time.sleep(60)"])
time.sleep(60)
"""

WITHIN = 0.1
TRIES = 3


def orphans(parent: Started, pids: list[int]) -> list[int]:
    """Kills the parent alone; those that are still alive 100 ms later."""
    send(signal.SIGKILL, [parent.pid])
    took = seconds_to_end(pids, WITHIN)
    print("one stays" if took is None else f"all gone after {took * 1000:.1f} ms")
    return [] if took is not None else [pid for pid in pids if alive(pid)] or pids


def left_by_a_worker(folder: Path) -> list[int]:
    folder.mkdir()
    write_app(folder, APP)
    app = PyQueue(folder / "jobs.db", durability="normal")
    with worker(folder, "-c", "3") as started:
        app.send_task("app.spin")
        app.send_task("app.sleep")
        until(lambda: len(list(folder.glob("started-*"))) == 2, what="two children are busy")
        pids = started.children
        assert len(pids) == 3
        return orphans(started, pids)


def test_a_supervisor_killed_alone_leaves_no_child(tmp_path: Path) -> None:
    # Three tries, since on a shared machine the kernel may be late to run the dying.
    assert any(not left_by_a_worker(tmp_path / f"try-{n}") for n in range(TRIES))


def test_control_a_plain_child_of_a_killed_parent_is_found_alive(tmp_path: Path) -> None:
    with Started(tmp_path, "-c", PARENT) as parent:
        parent.wait_said("sleeps")
        [child] = children(parent.pid)
        assert orphans(parent, [child]) == [child]
