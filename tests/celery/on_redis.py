"""An app of Celery on a Redis server of its own, and its worker in a thread of this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def celery_app(name: str, folder: Path) -> Iterator[Any]:
    """The app, with broker and results on a server that ends with the block."""
    from celery import Celery
    from celery.backends.redis import ResultConsumer

    from bench.redis_server import redis_server

    with redis_server(folder, "none") as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        yield Celery(name, broker=url, backend=url, set_as_current=False)
        # Handles that go away later would tell a server that is gone.
        ResultConsumer.cancel_for = lambda _self, _id: None


@contextmanager
def working(app: Any) -> Iterator[None]:
    """Runs the worker. Celery would set the level of the whole process's logs and leave its variables: the tests that
    come after in this process look at both."""
    from celery import signals
    from celery.contrib.testing.worker import start_worker

    def as_it_is(**_: Any) -> None:
        pass

    before = dict(os.environ)
    signals.setup_logging.connect(as_it_is)
    try:
        with start_worker(app, pool="threads", concurrency=1, perform_ping_check=False, shutdown_timeout=20):
            yield
    finally:
        signals.setup_logging.disconnect(as_it_is)
        logging.captureWarnings(False)
        for variable in set(os.environ) - set(before):
            del os.environ[variable]
