"""Lets each system call and allocation inside each call of the border fail, one after the other.

Runs on the test build: ``python -P -m tests.faults [--every N]`` with its folder first on PYTHONPATH. After each fault:
the call has raised one of our errors and changed nothing, or it has done all it does; the file is sound; and the same
handle works on, without a restart.
"""

from __future__ import annotations

import argparse
import errno
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from cffi import FFI

from pyqueue import _core
from pyqueue._core import NewJob, Outcome, QueueError
from tests.faults.calls import CALLS, prepare, scene, summary


class Fault(NamedTuple):
    """A kind of call, as the core counts them, and how it fails."""

    kind: int
    errno: int
    times: int = 1


FOR_EVER: Final = 1 << 40
FAULTS: Final = {
    "read error": Fault(0, errno.EIO),
    "short read": Fault(0, 0),
    "write error": Fault(1, errno.EIO),
    "disk full": Fault(1, errno.ENOSPC),
    "disk full for good": Fault(1, errno.ENOSPC, FOR_EVER),
    "sync error": Fault(2, errno.EIO),
    "truncate error": Fault(3, errno.EIO),
    "no descriptor": Fault(4, errno.EMFILE),
    "no mapping": Fault(5, errno.ENOMEM),
    "lock taken": Fault(6, errno.EAGAIN),
    "lock error": Fault(6, errno.ENOLCK),
    "no memory": Fault(7, 0),
    "no memory for good": Fault(7, 0, FOR_EVER),
}


class Bench:
    """The symbols of the test build, and a folder of copies of one prepared file."""

    def __init__(self, folder: Path) -> None:
        ffi = FFI()
        ffi.cdef(
            "void pyqueue_fault_order(int kind, int64_t first, int64_t times, int code);"
            "int64_t pyqueue_fault_calls(int kind);"
        )
        self._symbols: Any = ffi.dlopen(_core.__file__)
        self._folder = folder
        self._model = folder / "model.db"
        self._number = 0
        prepare(str(self._model))

    def order(self, fault: Fault, first: int) -> None:
        """Arms a fault; 0 disarms it."""
        self._symbols.pyqueue_fault_order(fault.kind, first, fault.times, fault.errno)

    def calls(self, fault: Fault) -> int:
        """How many calls of its kind there were since it was armed."""
        answer: int = self._symbols.pyqueue_fault_calls(fault.kind)
        return answer

    def fresh(self) -> str:
        """A copy nobody has used."""
        self._number += 1
        path = self._folder / f"{self._number}.db"
        shutil.copy(self._model, path)
        return str(path)

    def drop(self, path: str) -> None:
        """Removes a copy."""
        for end in ("", "-wal", "-shm"):
            Path(path + end).unlink(missing_ok=True)
        shutil.rmtree(path + "-pyqueue", ignore_errors=True)


def run(bench: Bench, call: str, fault: Fault, first: int) -> tuple[bool, str | None]:
    """One call with its ``first``-th operation failing: whether the fault was met, and what was wrong then."""
    path = bench.fresh()
    at = scene(path)
    before = summary(at.store)
    bench.order(fault, first)
    raised: BaseException | None = None
    try:
        CALLS[call](at)
    except QueueError as error:
        raised = error
    except MemoryError as error:
        raised = error
    finally:
        met = bench.calls(fault) >= first
        bench.order(fault, 0)
    wrong = judged(at.store, call, before, raised)
    at.store.close()
    bench.drop(path)
    return met, wrong


_after: dict[str, object] = {}


def learn(bench: Bench, call: str) -> None:
    """Notes what the file says after the call when nothing fails."""
    path = bench.fresh()
    at = scene(path)
    CALLS[call](at)
    _after[call] = summary(at.store)
    at.store.close()
    bench.drop(path)


def judged(store: Any, call: str, before: object, raised: BaseException | None) -> str | None:
    """What is wrong with the file, if anything is."""
    now = summary(store)
    if raised is None and now != _after[call]:
        return f"it answered, but did not do it: {now}"
    if now not in (before, _after[call]):
        return f"half done: {now}"
    if unsound := store.examine():
        return f"unsound: {unsound}"
    worker = store.join("next", 1, 1_000_000)
    ((id, _),) = store.enqueue([NewJob("afterwards", b"[]", queue="afterwards")])
    (job,) = store.claim(worker, 1, queues=["afterwards"])
    store.finish([(job, Outcome.success(b"1"))])
    if job.id != id or store.view(id).state != "success":
        return "the handle does not work on"
    return None


def main() -> int:
    """1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="beyond the first ones, each N-th call only"
    )
    parser.add_argument("--first", type=int, default=40, metavar="N", help="how many the first ones are")
    parser.add_argument("--calls", nargs="+", default=list(CALLS), metavar="CALL", help="only these calls")
    arguments = parser.parse_args()
    runs, met, wrongs = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for call in arguments.calls:
            learn(bench, call)
            for name, fault in FAULTS.items():
                first = 1
                while True:
                    hit, wrong = run(bench, call, fault, first)
                    runs += 1
                    met += hit
                    if wrong is not None:
                        wrongs += 1
                        print(f"WRONG {call}, {name} at {first}: {wrong}", flush=True)
                    if not hit:
                        break
                    first += 1 if first < arguments.first else arguments.every
    print(f"{runs} runs, {met} faults met, {wrongs} wrong")
    return int(wrongs > 0 or met == 0)


if __name__ == "__main__":
    sys.exit(main())
