"""A child: loads the app, then runs the jobs it is handed until the supervisor has no more.

Started as ``python -m pyqueue.worker.child TARGET DB LOGLEVEL NAME THREADS`` with its end of the pipe as standard input.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Final

from pyqueue import loading, signals
from pyqueue._core import ChildPipe
from pyqueue.worker.capture import capture
from pyqueue.worker.log import set_up
from pyqueue.worker.run_job import run_job
from pyqueue.worker.side_by_side import side_by_side

LOW_DESCRIPTORS: Final = 64
"""Tasks that daemonize or scrub close the low ones; the pipe lies above them."""


def main(target: str, path: str, level: str, name: str, threads: str) -> int:
    """Returns the exit code: 1 if the app can't be loaded."""
    # The terminal and service managers signal the whole group; the supervisor alone decides when a child ends.
    # A handler, not SIG_IGN: that would be inherited by programs the tasks start.
    signal.signal(signal.SIGINT, _leave_to_supervisor)
    signal.signal(signal.SIGTERM, _leave_to_supervisor)
    # What a task has printed must not die in a buffer with a killed child.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    pipe = _pipe()
    try:
        app = loading.load(target).app
        app.use(path)
    except (Exception, SystemExit):  # noqa: BLE001  the user's module may raise anything; the supervisor must hear it
        pipe.failed(traceback.format_exc())
        return 1
    set_up(level)
    signals.worker_process_init.send(None)
    capture(app)
    pipe.ready()

    def work() -> None:
        while (job := pipe.recv()) is not None:
            pipe.send(job, run_job(app, job, name))

    if threads == "1":
        work()
    else:
        side_by_side(int(threads), work)
    signals.worker_process_shutdown.send(None, pid=os.getpid(), exitcode=0)
    return 0


def _pipe() -> ChildPipe:
    taken = [os.dup(0) for _ in range(3, LOW_DESCRIPTORS)]
    pipe = ChildPipe()
    for each in taken:
        os.close(each)
    return pipe


def _leave_to_supervisor(number: int, frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
