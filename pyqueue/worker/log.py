"""Logging of a worker and its children."""

from __future__ import annotations

import logging
from typing import Final

from pyqueue import signals

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_FORMAT: Final = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"


def set_up(level: str) -> None:
    """Logs to standard error from ``level`` on, unless the user's module has set up logging itself.

    Whoever is connected to ``setup_logging`` does it instead.
    """
    if signals.setup_logging:
        signals.setup_logging.send(None, loglevel=level, logfile=None, format=_FORMAT, colorize=False)
    elif not logging.root.handlers:
        logging.basicConfig(level=level.upper(), format=_FORMAT)
