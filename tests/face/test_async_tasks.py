"""``async def`` tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pyqueue import PyQueue, Task, current_task
from pyqueue.exceptions import SoftTimeLimitExceeded
from pyqueue.result import AsyncResult

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


def test_a_coroutine_is_run_and_sees_its_request(app: PyQueue, once: Once) -> None:
    @app.task(bind=True)
    async def add(self: Task[..., Any], x: int, y: int) -> list[Any]:
        await asyncio.sleep(0)
        return [x + y, self.request.id, current_task.name]

    @app.task
    async def plain() -> int:
        return 1

    result = once(add.delay(1, 2))
    assert result.get(timeout=5) == [3, result.id, add.name]
    assert add.apply((1, 2)).get()[0] == 3  # type: ignore[index]
    assert asyncio.run(plain()) == 1


def test_its_errors_are_tried_again(app: PyQueue, once: Once) -> None:
    @app.task(autoretry_for=(OSError,), default_retry_delay=0)
    async def fail() -> None:
        raise OSError(5, "bad sector")

    assert once(fail.delay()).state == "RETRY"


def test_the_soft_limit_cancels_it(app: PyQueue, once: Once) -> None:
    seen: list[str] = []

    @app.task(soft_time_limit=0.05)
    async def stuck() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    begun = time.monotonic()
    assert isinstance(once(stuck.delay()).result, SoftTimeLimitExceeded)
    assert seen == ["cancelled"]
    assert time.monotonic() - begun < 2


def test_chunks_of_coroutines(app: PyQueue, once: Once) -> None:
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    assert once(double.map([1, 2]).delay()).get(timeout=5) == [2, 4]  # type: ignore[arg-type]
    assert once(double.starmap([(3,)]).delay()).get(timeout=5) == [6]  # type: ignore[arg-type]
