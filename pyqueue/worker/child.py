"""A child: loads the app, then runs the jobs it is handed until the supervisor has no more.

Started as ``python -m pyqueue.worker.child TARGET DB LOGLEVEL NAME POOL WIDTH`` with its end of the pipe as standard
input.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import fcntl
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, Final

from pyqueue import loading, signals
from pyqueue._core import ChildPipe
from pyqueue.exceptions import Terminated
from pyqueue.own_tasks import NAMES
from pyqueue.worker.asks import listen, noted
from pyqueue.worker.capture import capture
from pyqueue.worker.log import set_up
from pyqueue.worker.run_job import Run, run_job
from pyqueue.worker.side_by_side import side_by_side

LOW_DESCRIPTORS: Final = 64
"""Tasks that daemonize or scrub close the low ones; the pipe lies above them."""
MEANS: Final = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
LACKS_MEANS: Final = 75
"""The exit code by which the supervisor knows that another try is worth it."""


def main(target: str, path: str, level: str, name: str, pool: str, width: str) -> int:  # noqa: PLR0917  its command line
    """Returns the exit code: 1 if the app can't be loaded."""
    # The terminal and service managers signal the whole group; the supervisor alone decides when a child ends.
    # A handler, not SIG_IGN: that would be inherited by programs the tasks start.
    signal.signal(signal.SIGINT, _leave_to_supervisor)
    signal.signal(signal.SIGTERM, _leave_to_supervisor)
    signal.signal(signal.SIGHUP, _leave_to_supervisor)
    # What a task has printed must not die in a buffer with a killed child.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    pipe = _pipe()
    _tell_stacks()
    if pool == "solo":
        _take_terminal()
    try:
        app = loading.load(target).app
        app.use(path)
    except (MemoryError, OSError) as error:
        if not _passes(error):
            pipe.failed(traceback.format_exc())
            return 1
        pipe.failed("".join(traceback.format_exception_only(error)).strip())
        return LACKS_MEANS
    except (Exception, SystemExit):  # noqa: BLE001  the user's module may raise anything; the supervisor must hear it
        pipe.failed(traceback.format_exc())
        return 1
    set_up(level)
    listen(pipe, Run.called.__code__)
    signals.worker_process_init.send(None)
    capture(app)
    # None at all stands for every task.
    pipe.ready([*sorted(app.tasks), *NAMES] if len(app.tasks) else [])

    def work() -> None:
        while (job := pipe.recv()) is not None:
            pipe.send(job, run_job(app, job, name))

    def work_beside() -> None:
        while (job := pipe.recv()) is not None:
            # What is raised in a thread comes at its next step, which may lie outside of the task.
            with contextlib.suppress(Terminated):
                with noted(job):
                    outcome = run_job(app, job, name)
                pipe.send(job, outcome)

    if pool == "asyncio":
        from pyqueue.worker.one_loop import OneLoop  # noqa: PLC0415  it loads asyncio

        OneLoop(app, pipe, name, int(width)).run()
    elif width == "1":
        work()
    else:
        side_by_side(int(width), work_beside)
    signals.worker_process_shutdown.send(None, pid=os.getpid(), exitcode=0)
    return 0


def _tell_stacks() -> None:
    """On SIGUSR1 the stacks of all threads go where the supervisor reads them, or to standard error."""
    place: Any = sys.stderr
    with contextlib.suppress(OSError, KeyError):
        path = f"/proc/{os.environ['PYQUEUE_PARENT']}/fd/{os.environ['PYQUEUE_STACKS']}"
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        place = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, LOW_DESCRIPTORS)
        os.close(file)
    faulthandler.register(signal.SIGUSR1, file=place, all_threads=True, chain=False)


def _passes(error: MemoryError | OSError) -> bool:
    """Whether there is no memory or no descriptor at the moment, which is no fault of the app's."""
    return isinstance(error, MemoryError) or error.errno in MEANS


def _pipe() -> ChildPipe:
    taken = [os.dup(0) for _ in range(3, LOW_DESCRIPTORS)]
    pipe = ChildPipe()
    for each in taken:
        os.close(each)
    return pipe


def _take_terminal() -> None:
    """The terminal, if the worker has one, is this child's standard input: for a debugger in a task."""
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        os.dup2(terminal, 0)
        os.close(terminal)


def _leave_to_supervisor(number: int, frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
