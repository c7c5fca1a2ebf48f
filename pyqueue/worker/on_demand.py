"""A thread of the process that most processes never need."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final


class OnDemand:
    """A daemon thread that is started by the first who needs it."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name: Final = name
        self._run: Final = run
        self._lock: Final = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts it, unless somebody has."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
