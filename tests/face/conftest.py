"""What the tests of the face share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.result import AsyncResult
from pyqueue.worker.run_job import run_job


@pytest.fixture
def once(app: PyQueue) -> Callable[..., AsyncResult[Any]]:
    """Runs one attempt here of what was sent, and writes the outcome."""
    worker = app.store.join("test", 1, 30_000_000)

    def run(result: AsyncResult[Any]) -> AsyncResult[Any]:
        job = app.store.claim(worker, 1)[0]
        app.store.finish([(job, run_job(app, job, "here"))])
        return result

    return run
