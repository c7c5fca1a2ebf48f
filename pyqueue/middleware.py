"""Code around every task of an app, as one onion: the first in the list is the outermost.

    def timed(run_next, context):
        started = time.monotonic()
        try:
            return run_next()
        finally:
            print(context.task, time.monotonic() - started)

    app.middleware.append(timed)

``context`` is the task's ``self.request``. What a middleware returns is the task's result; what it raises is the
task's error. Retries arrive as ``Retry``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pyqueue.request import Context

Middleware = Callable[[Callable[[], Any], Context], Any]


def through(layers: Sequence[Middleware], innermost: Callable[[], Any], context: Context) -> Any:
    """Calls ``innermost`` through the layers."""
    run_next = innermost
    for layer in reversed(layers):
        run_next = partial(layer, run_next, context)
    return run_next()
