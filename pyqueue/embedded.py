"""``with app.worker():`` runs a worker inside of a script or a web process: its children are processes."""

from __future__ import annotations

import os
import sys
import threading
from operator import itemgetter
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from pyqueue import request
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.naming import split_file
from pyqueue.worker.log import log, tell
from pyqueue.worker.obeying import Obeying
from pyqueue.worker.starting import WorkerOptions, plan, start
from pyqueue.worker.ticking import Ticker

if TYPE_CHECKING:
    from pyqueue._core import Event
    from pyqueue.app import PyQueue
    from pyqueue.worker.crew import Crew


class EmbeddedWorker:
    """A worker that lives as long as the block: ready on entry, stopped warmly on exit."""

    def __init__(self, app: PyQueue, options: WorkerOptions) -> None:
        self._app = app
        self._options = options
        self._worker: Crew | None = None
        self._pid = os.getpid()
        self._ready = threading.Event()
        self._over = threading.Event()
        self._trouble: list[str] = []

    def start(self) -> None:
        """Starts it and waits until it takes jobs. Raises ImproperlyConfigured if its children can't start."""
        loaded = request.being_loaded()
        if loaded is not None:
            raise RuntimeError(
                f"{loaded} starts a worker while a worker is loading it: "
                f"put that code under  if __name__ == '__main__':"
            )
        if self._worker is not None:
            raise RuntimeError("this worker has been started already; make another with app.worker()")
        self._pid = os.getpid()
        self._app.finalize()
        decided = plan(self._app, self._options)
        target = self._options.target or target_of(self._app)
        ticker = Ticker(self._app, target)
        ticker.declare()
        self._worker = start(self._app, target, decided, decided.level)
        beside: list[Ticker | Obeying] = [ticker]
        if self._app.conf.worker_enable_remote_control:
            beside.append(Obeying(self._app, self._worker, decided.name, self._worker.stop))
        for each in beside:
            each.start()
        # A daemon: a process that ends without leaving the block takes its children along.
        threading.Thread(
            target=self._listen, args=(self._worker, beside), name="pyqueue-worker", daemon=True
        ).start()
        try:
            while not self._ready.wait(0.1) and not self._over.is_set():
                pass
        except BaseException:
            self._worker.stop(cold=True)
            raise
        if not self._ready.is_set():
            raise ImproperlyConfigured("; ".join(self._trouble) or "the worker ended before it was ready")

    def stop(self) -> None:
        """Lets running jobs finish within the grace time, and waits for that. Ctrl-C ends it at once.

        Does nothing in a process that was forked off after the start: the worker is the parent's.
        """
        # A forked child that leaves the block has the value and not the threads: it would wait for ever.
        if self._worker is None or self._pid != os.getpid():
            return
        self._worker.stop()
        try:
            self._over.wait()
        except BaseException:
            self._worker.stop(cold=True)
            self._over.wait()
            raise

    def _listen(self, worker: Crew, beside: list[Ticker | Obeying]) -> None:
        try:
            worker.listen(self._heard)
        finally:
            for each in beside:
                each.stop()
            self._over.set()

    def _heard(self, event: Event) -> None:
        if event.kind == "ready":
            self._ready.set()
        elif event.kind == "error":
            self._trouble.append(event.text)
        tell(event, self._app)
        if event.kind == "stuck":
            log.error(
                "this process has more to do than to be a worker, and is not ended; once it is restarted, or its "
                "leases are over, its jobs are back in line"
            )

    def __enter__(self) -> EmbeddedWorker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def target_of(app: PyQueue) -> str:
    """How a child finds the app: the module and the name it is kept under here.

    Raises ImproperlyConfigured for an app that no file holds.
    """
    found = [
        (module, name)
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType)
        for name, value in list(vars(module).items())
        if value is app
    ]
    if not found:
        raise ImproperlyConfigured(
            "the worker's children can't find this app, since it is no module's variable: "
            "write  app = …  at the top level of a file, or say app.worker(target='module:app')"
        )
    by_name = []
    for module, name in found:
        path = getattr(module, "__file__", None)
        if path and path.endswith(".py") and os.path.isfile(path):
            if module.__name__ == "__main__" or split_file(path)[1] == module.__name__:
                return f"{os.path.abspath(path)}:{name}"
            by_name.append((not _is_called(path, module.__name__), f"{module.__name__}:{name}"))
    if by_name:
        return min(by_name, key=itemgetter(0))[1]
    raise ImproperlyConfigured(
        "the worker's children can't load this app, since it was made in an interactive session: "
        "put the app and its tasks in a file, such as tasks.py, and import it from there"
    )


def _is_called(path: str, name: str) -> bool:
    """Whether a file can be imported under the name: gunicorn.conf.py is ``__config__``, and no other process finds it."""
    stem = path.removesuffix(".py").removesuffix("/__init__")
    return f".{stem.replace('/', '.')}".endswith(f".{name}")
