"""A process that writes with threads and forks in every way; its children use, close or ignore what they inherit.

``forking.py FIRST FORKS DEADLINE [DOING]``: its threads have the slots from FIRST on, each child the next pair of
slots: one for itself, one for a child of its own. A child that is not over after DEADLINE seconds is said to hang.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parent.parent / "beside"))

from notes import Notes

from pyqueue import PyQueue
from pyqueue._core import NewJob, Store

THREADS = 3
JOBS = 20
"""How many a child writes."""
TOGETHER = 4
"""How many children live at the same time."""

app = PyQueue("jobs.db", durability="normal")
spare = Store(app.path, durability="normal")
notes = Notes(Path("notes"))
libc = ctypes.PyDLL(None)


@app.task
def put(slot: int, n: int) -> None:
    """A job that nobody runs here."""


def by_delay(slot: int) -> None:
    for n in range(1, JOBS + 1):
        notes.acknowledged(slot, n, put.delay(slot, n).id)


def by_inherited_store(slot: int) -> None:
    for n in range(1, JOBS + 1):
        body = json.dumps({"v": 1, "args": [slot, n], "kwargs": {}}).encode()
        [(id, _)] = spare.enqueue([NewJob("put", body)])
        notes.acknowledged(slot, n, id)


def by_reading(slot: int) -> None:
    assert app.store.queues()[0].waiting > 0
    by_delay(slot)
    assert app.store.view(notes.id(slot)).state == "waiting"


def close(slot: int) -> None:
    app.store.close()
    spare.close()


def ignore(slot: int) -> None:
    pass


def have_a_child(slot: int) -> None:
    """It writes at the same time and before."""
    put_one = put.delay(slot, 1)
    notes.acknowledged(slot, 1, put_one.id)
    child = os.fork()
    if child == 0:
        act(slot + 1, by_delay)
    for n in range(2, JOBS + 1):
        notes.acknowledged(slot, n, put.delay(slot, n).id)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the grandchild ended with {status}"


def leave_a_child(slot: int) -> None:
    """It is an orphan before it writes."""
    if os.fork() == 0:
        act(slot + 1, by_inherited_store)


def hang(slot: int) -> None:
    signal.pause()


DOINGS = (by_delay, close, by_inherited_store, ignore, have_a_child, by_reading, leave_a_child)
Doing = Callable[[int], None]


def tell(fault: str) -> None:
    with Path("errors").open("a") as file:
        file.write(fault + "\n")


def act(slot: int, doing: Doing) -> NoReturn:
    """What a child does, and its end."""
    try:
        doing(slot)
    except BaseException as error:
        tell(f"{doing.__name__} in a child: {type(error).__name__}: {error}")
        os._exit(1)
    notes.ends(slot)
    os._exit(0)


def by_python(slot: int, doing: Doing) -> int:
    pid = os.fork()
    if pid == 0:
        act(slot, doing)
    return pid


def by_multiprocessing(slot: int, doing: Doing) -> int:
    process = multiprocessing.get_context("fork").Process(target=act, args=(slot, doing))
    process.start()
    assert process.pid is not None
    return process.pid


def by_libc(slot: int, doing: Doing) -> int:
    """As uWSGI does it: Python's own hooks before the fork do not run.

    No thread may have asked for the GIL when the only thread of the child wakes, or that would wait for the asker
    for ever.
    """
    sys.setswitchinterval(60)
    spun = time.monotonic() + 0.01
    while time.monotonic() < spun:
        pass
    pid: int = libc.fork()
    if pid == 0:
        libc.PyOS_AfterFork_Child()
        act(slot, doing)
    sys.setswitchinterval(0.005)
    return pid


KINDS = (by_python, by_multiprocessing, by_libc)


def write(slot: int, stop: threading.Event) -> None:
    n = 0
    try:
        while not stop.is_set():
            n += 1
            notes.acknowledged(slot, n, put.delay(slot, n).id)
    except Exception as error:
        tell(f"a thread of the parent: {type(error).__name__}: {error}")


def wait_for_ever(slot: int) -> None:
    """For a result that does not come: no fork may wait for that."""
    while not notes.id(slot):
        time.sleep(0.001)
    app.store.wait(notes.id(slot))
    tell("a job that nobody runs has ended")


class Children:
    """Those that live, and how long they have done so."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._since: dict[int, tuple[str, float]] = {}

    def add(self, pid: int, what: str) -> None:
        self._since[pid] = (what, time.monotonic())

    def wait(self, most: int) -> None:
        """Until at most so many live."""
        while len(self._since) > most:
            for pid, (what, since) in list(self._since.items()):
                try:
                    gone, status = os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    # multiprocessing looks for dead children as it starts one; the child's note says how it ended.
                    gone, status = pid, 0
                if not gone and time.monotonic() - since > self._deadline:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    tell(f"a child hangs: {what}")
                elif not gone:
                    continue
                elif status:
                    tell(f"a child ended with {status}: {what}")
                del self._since[pid]
            time.sleep(0.001)


def main(first: int, forks: int, deadline: float, doings: tuple[Doing, ...]) -> None:
    # Every descendant inherits it, so the lock is free when the last one is gone.
    fcntl.flock(os.open("alive", os.O_RDWR | os.O_CREAT), fcntl.LOCK_SH)
    spare.queues()
    stop = threading.Event()
    slots = range(first, first + THREADS)
    threads = [threading.Thread(target=write, args=(slot, stop), daemon=True) for slot in slots]
    for thread in threads:
        thread.start()
    threading.Thread(target=wait_for_ever, args=(first,), daemon=True).start()
    children = Children(deadline)
    for number in range(forks):
        kind, doing = KINDS[number % len(KINDS)], doings[number % len(doings)]
        slot = first + THREADS + 2 * number
        before = list(map(notes.last, slots))
        children.add(kind(slot, doing), f"{kind.__name__} {doing.__name__}")
        notes.forks(first)
        children.wait(TOGETHER - 1)
        while any(
            thread.is_alive() and notes.last(slot) == n
            for thread, slot, n in zip(threads, slots, before, strict=True)
        ):
            time.sleep(0.001)
    children.wait(0)
    stop.set()
    for thread in threads:
        thread.join()
    notes.ends(first)


if __name__ == "__main__":
    asked = tuple(globals()[name] for name in sys.argv[4:])
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), asked or DOINGS)
