"""Celery and pyqueue, each with its worker, behind the few calls that the promises need beside the common API."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import warehouse
from on_redis import celery_app, working

HERE = Path(__file__).parent
WAIT = 10.0


class Engine(NamedTuple):
    name: str
    app: Any
    tasks: SimpleNamespace
    folder: Path
    """For files of the promises."""
    waiting: dict[str, Any]
    """What ``get`` takes: Celery asks its backend each half second unless it is told otherwise."""

    @property
    def canvas(self) -> Any:
        """chain, group and chord."""
        import celery

        from pyqueue import canvas

        return celery if self.name == "celery" else canvas

    def get(self, result: Any) -> Any:
        return result.get(**self.waiting)

    def raised(self, act: Callable[[], Any]) -> str:
        """The class of what it raises, and its text."""
        try:
            value = act()
        except Exception as error:
            return f"{type(error).__name__}: {error}".removesuffix(": ")
        return f"nothing: {value!r}"

    def error(self, act: Callable[[], Any]) -> str:
        """The class of what it raises."""
        return self.raised(act).partition(":")[0]

    def turn(self) -> None:
        """Returns when the worker has come to what was sent before: it has one slot."""
        self.get(self.tasks.add.delay(0, 0))

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)


@contextmanager
def celery(folder: Path) -> Iterator[Engine]:
    """Celery on a Redis server of its own, its worker in a thread of this process."""
    from celery import exceptions

    with celery_app("warehouse", folder) as app:
        app.conf.broker_transport_options = {"polling_interval": 0.01}
        tasks = warehouse.declare(app, exceptions)
        with working(app):
            yield Engine("celery", app, tasks, folder, {"timeout": WAIT, "interval": 0.01})


@contextmanager
def pyqueue(folder: Path) -> Iterator[Engine]:
    """pyqueue on a file, its worker a process."""
    from pyqueue import Celery, exceptions

    app = Celery("warehouse", broker=f"sqlite:///{folder / 'jobs.db'}")
    tasks = warehouse.declare(app, exceptions)
    command = [sys.executable, "-m", "pyqueue", "worker", "-A", "ours.py", "--db", str(folder / "jobs.db")]
    with (
        (folder / "worker.log").open("wb") as log,
        subprocess.Popen([*command, "-c", "1"], cwd=HERE, stdout=subprocess.PIPE, stderr=log) as worker,
    ):
        try:
            assert worker.stdout is not None
            assert b"ready" in worker.stdout.readline()
            yield Engine("pyqueue", app, tasks, folder, {"timeout": WAIT})
        finally:
            worker.terminate()


ENGINES = {"celery": celery, "pyqueue": pyqueue}
