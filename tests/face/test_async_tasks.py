"""``async def`` tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pyqueue import PyQueue, Task, current_task
from pyqueue.exceptions import SoftTimeLimitExceeded
from pyqueue.result import AsyncResult
from pyqueue.worker.soft_limit import SoftLimit

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


async def sleeps() -> None:
    await asyncio.sleep(10)


async def waits_for_others() -> None:
    await asyncio.gather(sleeps(), sleeps())


async def waits_with_a_timeout() -> None:
    async with asyncio.timeout(8):
        await asyncio.wait_for(asyncio.shield(sleeps()), 9)


async def computes() -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pass


async def never_idle() -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        await asyncio.sleep(0)


async def waits_for_the_stubborn() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return

    await asyncio.create_task(stubborn())


@pytest.mark.parametrize(
    "wait",
    [sleeps, waits_for_others, waits_with_a_timeout, computes, never_idle, waits_for_the_stubborn],
    ids=lambda wait: wait.__name__,
)
def test_the_soft_limit_is_raised_in_it_and_may_be_caught(
    app: PyQueue, once: Once, wait: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    @app.task(name="caught", soft_time_limit=0.05)
    async def caught() -> str:
        try:
            await wait()
        except SoftTimeLimitExceeded as error:
            await asyncio.sleep(0.01)  # it goes on, and nothing more is cancelled
            task = asyncio.current_task()
            assert task is not None
            return f"{error} {task.cancelling()}"
        return "not interrupted"

    @app.task(name="raised", soft_time_limit=0.05)
    async def raised() -> None:
        await wait()

    begun = time.monotonic()
    assert once(caught.delay()).get() == "the task has run for its soft time limit of 0.05 s 0"
    assert isinstance(once(raised.delay()).result, SoftTimeLimitExceeded)
    assert time.monotonic() - begun < 4


def test_out_of_a_group_of_tasks_the_soft_limit_comes_in_a_group(app: PyQueue, once: Once) -> None:
    @app.task(soft_time_limit=0.05)
    async def grouped() -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(sleeps())
                await sleeps()
        except* SoftTimeLimitExceeded:
            pass
        return "cleaned up"

    assert once(grouped.delay()).get() == "cleaned up"


def test_a_cancellation_of_its_own_stays_one(app: PyQueue, once: Once) -> None:
    @app.task(soft_time_limit=5)
    async def times_out() -> str:
        try:
            async with asyncio.timeout(0.01):
                await sleeps()
        except TimeoutError:
            pass
        inner = asyncio.ensure_future(sleeps())
        inner.cancel()
        try:
            await inner
        except asyncio.CancelledError:
            return "cancelled"
        return "not cancelled"

    assert once(times_out.delay()).get() == "cancelled"


def test_the_limit_of_a_list_of_coroutines_is_that_of_their_job(app: PyQueue, once: Once) -> None:
    @app.task(soft_time_limit=0.1)
    async def waits(n: int) -> int:
        await asyncio.sleep(0.03)
        return n

    result = once(waits.map(range(100)).apply_async(soft_time_limit=0.1))  # type: ignore[arg-type]
    assert isinstance(result.result, SoftTimeLimitExceeded)


def test_a_limit_between_two_coroutines_is_not_lost() -> None:
    limit, error = SoftLimit(None), SoftTimeLimitExceeded("0.1 s")

    async def ends_just_before_it() -> int:
        assert limit.awaited is not None
        # Called once the coroutine has ended, while its loop is still being closed.
        asyncio.get_running_loop().call_soon(limit.awaited.interrupt, error, None)
        return 1

    async def never_begins() -> None:
        raise AssertionError

    assert limit.run(ends_just_before_it()) == 1
    with pytest.raises(SoftTimeLimitExceeded) as raised:
        limit.run(never_begins())
    assert raised.value is error


def test_chunks_of_coroutines(app: PyQueue, once: Once) -> None:
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    assert once(double.map([1, 2]).delay()).get(timeout=5) == [2, 4]  # type: ignore[arg-type]
    assert once(double.starmap([(3,)]).delay()).get(timeout=5) == [6]  # type: ignore[arg-type]
