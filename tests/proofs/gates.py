"""Jobs that wait for a gate, a FIFO in the test's folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import write_app

from pyqueue import PyQueue


def gated_app(folder: Path, source: str) -> PyQueue:
    """An app beside the module that the workers load."""
    write_app(folder, source)
    os.mkfifo(folder / "gate")
    return PyQueue(folder / "jobs.db", durability="normal")


def send(app: PyQueue, name: str, calls: list[list[Any]], **options: Any) -> list[Any]:
    return app.enqueue_many([app.signature(name, call, **options) for call in calls])


@contextlib.contextmanager
def open_gate(folder: Path) -> Iterator[None]:
    """Lets the holding jobs end."""
    gate = os.open(folder / "gate", os.O_RDWR)
    yield
    os.close(gate)
