"""Keeps what tasks log, and what those with ``log_prints`` print, with their jobs."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from pyqueue import request

if TYPE_CHECKING:
    from pyqueue.app import PyQueue

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Capture(logging.Handler):
    """Hands each line to the attempt that runs where it was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Nothing is said of a line that can't be formatted: the other handlers say it."""
        running = request.here()
        if running is None:
            return
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  the arguments are the user's, and so are their texts
            return
        running.logged(text)


class Tee(io.TextIOWrapper):
    """Standard output or error that also hands what is printed to the attempt that prints it."""

    def write(self, text: str) -> int:
        """As ever."""
        running = request.here()
        if running is not None and running.task.options.log_prints:
            running.printed(text)
        return super().write(text)


def capture(app: PyQueue) -> None:
    """Begins; before the first job, and after whatever sets logging up."""
    if app.config.log_bytes == 0:
        return
    logging.getLogger().addHandler(Capture())
    if any(task.options.log_prints for task in app.tasks.values()):
        # The first ones stay in sys.__stdout__ and sys.__stderr__, which keeps their buffers open.
        sys.stdout, sys.stderr = _tee(sys.stdout), _tee(sys.stderr)


def _tee(stream: Any) -> Tee:
    return Tee(stream.buffer, stream.encoding, stream.errors, line_buffering=True)
