"""Logging of a worker and its children."""

from __future__ import annotations

import logging
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def set_up(level: str) -> None:
    """Logs to standard error from ``level`` on, unless the user's module has set up logging itself."""
    if not logging.root.handlers:
        logging.basicConfig(
            level=level.upper(), format="%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
        )
