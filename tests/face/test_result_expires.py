"""How long one job's result is kept, and what is returned where there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import InvalidJob, TimeoutError, UnknownJob
from pyqueue.result import AsyncResult

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


def test_a_result_is_kept_for_as_long_as_its_call_says(
    app: PyQueue, once: Once, eventually: Callable[..., None]
) -> None:
    one = app.task(name="one", result_expires=timedelta(milliseconds=1))(lambda: 1)
    short = once(one.delay())
    long = once(one.apply_async(result_expires=60))
    usual = once(app.task(name="two")(lambda: 2).delay())

    def gone() -> bool:
        app.store.reap()
        return short.state == "UNKNOWN"

    eventually(gone)
    assert long.get(timeout=0) == 1
    assert usual.get(timeout=0) == 2
    assert app.store.examine() == []


@pytest.mark.parametrize("wrong", ["1h", True, float("nan"), -(10**30)])
def test_what_is_no_length_of_time_is_refused(app: PyQueue, wrong: Any) -> None:
    with pytest.raises(TypeError, match="result_expires is a number of seconds or a timedelta, not "):
        app.task(name="one", result_expires=wrong)(lambda: 1)
    two = app.task(name="two")(lambda: 1)
    with pytest.raises((InvalidJob, ValueError), match=r"result_expires|beyond the year 9999"):
        two.apply_async(result_expires="1h" if isinstance(wrong, int) else wrong)


def test_get_with_a_default_raises_nothing(app: PyQueue, once: Once) -> None:
    def fail() -> None:
        raise ValueError("no")

    one, two = app.task(name="one")(lambda: None), app.task(name="two")(fail)
    assert once(one.delay()).get(timeout=5, default="none") is None
    assert once(two.delay()).get(timeout=5, default="none") == "none"
    waiting = one.delay()
    assert waiting.get(timeout=0, default=7) == 7
    assert app.AsyncResult("no-such-id").get(default=None) is None
    waiting.revoke()
    assert waiting.get(default=8) == 8
    assert two.apply().get(default=9) == 9
    # The control arm: without it each says what went wrong.
    with pytest.raises(UnknownJob):
        app.AsyncResult("no-such-id").get()
    with pytest.raises(TimeoutError):
        one.delay().get(timeout=0)
