"""Logging of a worker and its children: text or JSON, with the job each line is about."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from pyqueue import request
from pyqueue.exceptions import QueueError
from pyqueue.plain import plain, steady
from pyqueue.redaction import masked, masked_text
from pyqueue.signals import setup_logging

if TYPE_CHECKING:
    from pyqueue._core import Event, Store
    from pyqueue.app import PyQueue

log = logging.getLogger("pyqueue.worker")

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
JSON: Final = "+json"

_FORMAT: Final = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"

_OF_EVENTS: Final = {
    "child_lost": logging.WARNING,
    "job_lost": logging.WARNING,
    "lease_lost": logging.WARNING,
    "unknown_task": logging.WARNING,
    "stacks": logging.WARNING,
    "stuck": logging.ERROR,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def set_up(level: str) -> None:
    """Logs to standard error from ``level`` on, unless the user's module has set up logging or is connected to the
    signal ``setup_logging``.

    A level such as "info+json" writes one JSON object a line; a child gets it in its command line.
    """
    if setup_logging:
        setup_logging.send(
            None, loglevel=level.removesuffix(JSON), logfile=None, format=_FORMAT, colorize=False
        )
        return
    if logging.root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if level.endswith(JSON) else Lines())
    logging.basicConfig(level=level.removesuffix(JSON).upper(), handlers=[handler])


def tell(event: Event, app: PyQueue) -> None:
    """Writes an event of the supervisor to the log."""
    task = _task_of(event.job, app.store) if event.job is not None else None
    about = {"event": event.kind, "about_job": event.job, "about_pid": event.pid, "about_task": task}
    text = event.text
    # Those two say nothing that the level does not.
    label = "" if event.kind in ("warning", "error") else f"{event.kind}: "
    if event.kind == "unknown_task" and task is not None:
        text = f"{app.tasks.missing(task)}; its jobs wait for a worker that knows it"
    # A traceback or a stack, by one of our own processes; a task's name is anybody's.
    keep = "" if event.kind == "unknown_task" else "\n"
    log.log(_OF_EVENTS.get(event.kind, logging.INFO), "%s%s", label, plain(text, keep), extra=about)


def _task_of(id: str, store: Store) -> str | None:
    try:
        shown = store.show(id)
    except QueueError:
        return None
    return shown.task if shown is not None else None


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """Which job and task a line is about: the one that runs here, or the one the supervisor tells of."""
    running = request.current()
    own = vars(record)
    return {
        "job": own.get("about_job") or running.id,
        "task": own.get("about_task") or running.task,
        "child": own.get("about_pid"),
    }


class Lines(logging.Formatter):
    """``time LEVEL [pid] logger: message (job …, task …)``."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """The line and its traceback, without secrets and without what steers a terminal."""
        return steady(masked_text(super().format(record)))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without its traceback."""
        about = ", ".join(f"{label} {value}" for label, value in _about(record).items() if value is not None)
        line = super().formatMessage(record)
        return f"{line} ({about})" if about else line


class JsonLines(logging.Formatter):
    """One JSON object a line, with the keys time, level, logger, pid, message, and job, task, event, error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": masked_text(record.getMessage()),
            "event": vars(record).get("event"),
            **_about(record),
            "error": masked_text(self.formatException(record.exc_info)) if record.exc_info else None,
            **masked(vars(record).get("fields", {})),
        }
        return json.dumps({key: value for key, value in line.items() if value is not None}, default=str)
