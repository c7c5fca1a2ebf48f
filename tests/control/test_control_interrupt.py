"""What a signal's handler raises while a command or a schedule waits for the file is raised where it waits."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue._core import Commands, Gates, Schedules


class Alarm(BaseException):
    """Raised by the handler."""


@pytest.fixture
def alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "act",
    [
        lambda store: Commands(store).record("purge", b"{}", True, b"{}", target="all", author="a"),
        lambda store: Schedules(store).pause("nightly"),
        lambda store: Gates(store).pause(task="t"),
    ],
    ids=["commands", "schedules", "gates"],
)
def test_a_handlers_exception_comes_through(
    app: PyQueue, tmp_path: Path, alarm: None, act: Callable[..., object]
) -> None:
    app.store.queues()
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Alarm):
            act(app.store)
