"""The same work in several threads of a child; the main one stays free for signals."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue


def side_by_side(threads: int, work: Callable[[], None]) -> None:
    """Calls ``work`` in so many threads and waits until each has returned.

    What one raises ends the process: without that thread its jobs would wait for ever.
    """
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  the main thread decides
            ends.put(error)
        else:
            ends.put(None)

    # No daemons: threads that a task starts would be daemons too, and be cut off at the end.
    for number in range(threads):
        threading.Thread(target=guarded, name=f"pyqueue-{number}", daemon=False).start()
    for _ in range(threads):
        if (error := ends.get()) is not None:
            traceback.print_exception(error)
            sys.stderr.flush()
            # Not by an exception: Python would wait for the other threads, and their jobs, first.
            os._exit(1)
