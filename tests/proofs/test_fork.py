"""A process may fork at any moment, in any way; parent and children go on and lose nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checking import faults
from processes import Started, write_app

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")
@app.task
def nop(): pass
"""

FORKING = """
import ctypes, json, multiprocessing, os, signal, sys, threading, time
from app import app, nop

THREADS, JOBS = 3, 20
FORKS, DEADLINE = int(sys.argv[1]), float(sys.argv[2])
libc = ctypes.PyDLL(None)
stop = threading.Event()
acknowledged = [[] for _ in range(THREADS)]
errors, hung, ended_badly = [], [], []

def write(ids):
    try:
        while not stop.is_set():
            ids.append(nop.delay().id)
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")

def enqueue(number):
    ids = [nop.delay().id for _ in range(JOBS)]
    with open(f"child-{number}.json", "w") as file: json.dump(ids, file)

def close(number): app.store.close()
def ignore(number): pass
def hang(number): signal.pause()

def act(number, doing):
    try:
        doing(number)
    except BaseException as error:
        with open(f"child-{number}.error", "w") as file: file.write(f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)

def by_python(number, doing):
    pid = os.fork()
    if pid == 0: act(number, doing)
    return pid

def by_multiprocessing(number, doing):
    process = multiprocessing.get_context("fork").Process(target=act, args=(number, doing))
    process.start()
    return process.pid

def by_libc(number, doing):
    # As uWSGI does it: Python's own hooks before the fork do not run. No thread may have asked for the GIL
    # when the only thread of the child wakes, or that would wait for the asker for ever.
    sys.setswitchinterval(60)
    spun = time.monotonic() + 0.01
    while time.monotonic() < spun: pass
    pid = libc.fork()
    if pid == 0:
        libc.PyOS_AfterFork_Child()
        act(number, doing)
    sys.setswitchinterval(0.005)
    return pid

def reap(number, kind, pid):
    end = time.monotonic() + DEADLINE
    while True:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            if status: ended_badly.append([number, kind, status])
            return
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            hung.append([number, kind])
            return
        time.sleep(0.002)

nop.delay()
threads = [threading.Thread(target=write, args=(ids,), daemon=True) for ids in acknowledged]
for thread in threads: thread.start()
kinds = (by_python, by_multiprocessing, by_libc)
doings = (enqueue, close, ignore, enqueue) if len(sys.argv) == 3 else (hang,)
for number in range(FORKS):
    kind, doing = kinds[number % 3], doings[number % len(doings)]
    what = f"{kind.__name__} {doing.__name__}"
    before = [len(ids) for ids in acknowledged]
    reap(number, what, kind(number, doing))
    while not errors and any(len(ids) == n for ids, n in zip(acknowledged, before)): time.sleep(0.001)
stop.set()
for thread in threads: thread.join()
print(json.dumps({"ids": sum(acknowledged, []), "errors": errors, "hung": hung, "bad": ended_badly}))
"""

# The one order of steps in which SQLite alone always loses: the child believes in locks that its parent has,
# and the parent, which sees none, deletes the log under the child as it closes.
CLOSING = """
import json, os
from app import app, nop

ids = [nop.delay().id]
committed, closed = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    mine = [nop.delay().id]
    os.write(committed[1], b"x")
    os.read(closed[0], 1)
    mine += [nop.delay().id for _ in range(100)]
    with open("child.json", "w") as file: json.dump(mine, file)
    os._exit(0)
os.close(committed[1])
os.read(committed[0], 1)
app.store.close()
os.write(closed[1], b"x")
_, status = os.waitpid(child, 0)
print(json.dumps({"ids": ids, "status": status}))
"""

FORKS = 50
JOBS_OF_CHILD = 20
STOCK = {"PYQUEUE_TEST_STOCK_LOCKS": "1"}


def run(folder: Path, program: str, *arguments: str, env: dict[str, str] | None = None) -> tuple[Any, str]:
    """What the program printed, and its log."""
    write_app(folder, APP)
    with Started(folder, "-c", program, *arguments, env=env) as forking:
        code = forking.wait(100)
        log = forking.log.read_text()
        assert code == 0, log
        return json.loads(forking.out.read_text()), log


def of_children(folder: Path) -> list[str]:
    return [id for file in sorted(folder.glob("child*.json")) for id in json.loads(file.read_text())]


@pytest.mark.timeout(120)
def test_a_writing_process_forks_and_nothing_hangs_and_nothing_is_lost(tmp_path: Path) -> None:
    report, log = run(tmp_path, FORKING, str(FORKS), "10")
    assert report["hung"] == [], log
    assert report["errors"] == []
    assert report["bad"] == [], [file.read_text() for file in tmp_path.glob("child-*.error")]
    children = of_children(tmp_path)
    assert len(children) == FORKS // 2 * JOBS_OF_CHILD
    print(f"{FORKS} forks, {len(report['ids'])} jobs of the parent, {len(children)} of its children")
    assert faults(tmp_path / "jobs.db", report["ids"] + children) == []


def test_control_children_that_hang_are_reported(tmp_path: Path) -> None:
    report, _ = run(tmp_path, FORKING, "3", "0.2", "hang")
    kinds = [[0, "by_python hang"], [1, "by_multiprocessing hang"], [2, "by_libc hang"]]
    assert report["hung"] == kinds


def after_a_close(folder: Path, env: dict[str, str] | None) -> list[str]:
    """What is wrong after the parent has closed under its writing child."""
    report, log = run(folder, CLOSING, env=env)
    if report["status"] != 0:
        return [f"the child ended with {report['status']}: {log}"]
    return faults(folder / "jobs.db", report["ids"] + of_children(folder))


def test_a_child_writes_on_while_its_parent_closes(tmp_path: Path) -> None:
    assert after_a_close(tmp_path, None) == []


def test_control_with_stock_locks_the_childs_jobs_are_lost(tmp_path: Path) -> None:
    found = after_a_close(tmp_path, STOCK)
    print(found)
    assert found != []
