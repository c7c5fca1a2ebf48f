"""Which errors are tried again, when, and how long an error may ask to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pytest

from pyqueue import PyQueue, RetryRule
from pyqueue.options import TaskOptions, task_options
from pyqueue.result import AsyncResult
from pyqueue.retry_after import asked_wait
from pyqueue.retrying import delay_after


class Overloaded(OSError):
    def __init__(self, retry_after: object = None, response: object = None) -> None:
        super().__init__("overloaded")
        self.retry_after = retry_after
        self.response = response


def options(**given: Any) -> TaskOptions:
    return task_options({"retry_jitter": False, **given})


def test_the_rule_of_the_nearest_class_counts() -> None:
    told = options(
        autoretry_for=(Exception,),
        default_retry_delay=9,
        retry_for={
            OSError: RetryRule(max_retries=1, countdown=2),
            FileNotFoundError: None,
            TimeoutError: RetryRule(max_retries=None, backoff=3, backoff_max=20),
            LookupError: RetryRule(),
        },
    )
    assert [delay_after(ConnectionError(), told, n) for n in (0, 1)] == [2, None]
    assert delay_after(FileNotFoundError(), told, 0) is None
    assert [delay_after(TimeoutError(), told, n) for n in (0, 1, 3, 99)] == [3, 6, 20, 20]
    # What a rule leaves out, and an error without one, is as the task says.
    for error in (KeyError(), ValueError()):
        assert [delay_after(error, told, n) for n in (0, 2, 3)] == [9, 9, None]


def test_a_class_with_a_rule_needs_no_autoretry_and_dont_autoretry_for_wins() -> None:
    told = options(retry_for={OSError: RetryRule(countdown=1)}, dont_autoretry_for=(ConnectionError,))
    assert delay_after(OSError(), told, 0) == 1
    assert delay_after(ConnectionError(), told, 0) is None
    assert delay_after(ValueError(), told, 0) is None


def test_delays_as_a_list_and_as_a_function() -> None:
    told = options(
        max_retries=None,
        retry_for={
            OSError: RetryRule(countdown=[1, timedelta(minutes=1), 300]),
            ValueError: RetryRule(countdown=lambda retries, error: retries + len(str(error))),
        },
    )
    assert [delay_after(OSError(), told, n) for n in range(5)] == [1, 60, 300, 300, 300]
    assert delay_after(ValueError("abc"), told, 4) == 7


def test_jitter_of_a_rule() -> None:
    told = options(retry_for={OSError: RetryRule(backoff=4, jitter=True)})
    assert {delay_after(OSError(), told, 0) for _ in range(200)} == {0, 1, 2, 3, 4}


HEADERS = Message()
HEADERS["Retry-After"] = "7"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Overloaded(5), 5),
        (Overloaded(2.5), 2.5),
        (Overloaded("30"), 30),
        (Overloaded(timedelta(minutes=2)), 120),
        (Overloaded(-3), 0),
        (Overloaded(response=SimpleNamespace(headers={"retry-after": "11"})), 11),
        (Overloaded(response=SimpleNamespace(headers={"Retry-After": " 1.5 "})), 1.5),
        (HTTPError("http://x", 503, "busy", HEADERS, None), 7),
    ],
    ids=repr,
)
def test_what_an_error_asks_for(error: Exception, seconds: float) -> None:
    assert asked_wait(error) == seconds


@pytest.mark.parametrize("zone", ["GMT", None])
def test_a_date_is_an_instant(zone: str | None) -> None:
    at = datetime.now(UTC) + timedelta(seconds=100)
    said: object = at if zone is None else format_datetime(at, usegmt=True)
    assert 98 < (asked_wait(Overloaded(said)) or 0) <= 100
    assert asked_wait(Overloaded(at - timedelta(days=3))) == 0


class Hostile(Exception):
    @property
    def retry_after(self) -> float:
        raise KeyboardInterrupt if self.args else RuntimeError("no")


@pytest.mark.parametrize(
    "error",
    [
        Overloaded(True),
        Overloaded(float("nan")),
        Overloaded(float("inf")),
        Overloaded("soon"),
        Overloaded("9" * 5_000),
        Overloaded(b"5"),
        Overloaded([5]),
        Overloaded(response=SimpleNamespace(headers=5)),
        Overloaded(response=5),
        Hostile(),
        ValueError("no"),
    ],
    ids=lambda error: repr(error)[:30],
)
def test_what_can_not_be_understood_is_not_asked_for(error: Exception) -> None:
    assert asked_wait(error) is None
    assert delay_after(error, options(autoretry_for=(Exception,), default_retry_delay=4), 0) == 4


def test_the_wait_asked_for_is_bounded_spread_and_can_be_switched_off() -> None:
    told = options(autoretry_for=(OSError,), default_retry_delay=4)
    assert delay_after(Overloaded(50), told, 0) == 50
    assert delay_after(Overloaded(10**9), told, 0) == 86_400
    assert delay_after(Overloaded(50), told._replace(retry_after_max=20), 0) == 20
    assert delay_after(Overloaded(50), told._replace(retry_after_max=0), 0) == 4
    drawn = {delay_after(Overloaded(50), told._replace(retry_jitter=True), 0) or 0 for _ in range(50)}
    assert min(drawn) >= 50
    assert max(drawn) <= 55
    assert len(drawn) > 1
    assert delay_after(Overloaded(50), told, 3) is None


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (5, r"retry_for is a dict of exception classes and RetryRule\(…\), not 5"),
        ({"OSError": RetryRule()}, "retry_for takes exception classes, not 'OSError'"),
        ({OSError: 3}, r"retry_for\[OSError\] is RetryRule\(…\), or None for no retry, not 3"),
        ({OSError: RetryRule(max_retries="3")}, "max_retries is a whole number, or None for no end, not '3'"),  # type: ignore[arg-type]
        (
            {OSError: RetryRule(countdown=[])},
            "countdown is a number of seconds, a list of them or a function",
        ),
        ({OSError: RetryRule(countdown="3m")}, "countdown is a number of seconds, a list of them or a f"),  # type: ignore[arg-type]
        ({OSError: RetryRule(backoff="on")}, "backoff is true, false or a number of seconds, not 'on'"),  # type: ignore[arg-type]
        ({OSError: RetryRule(jitter=1)}, "jitter is true or false, not 1"),
        ({OSError: RetryRule(countdown=1, backoff=True)}, "give countdown or backoff, not both"),
    ],
    ids=str,
)
def test_a_rule_that_can_not_be_is_refused(rules: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        task_options({"retry_for": rules})


def test_a_function_of_delays_that_raises_fails_the_attempt_and_both_are_told(
    app: PyQueue, once: Callable[..., AsyncResult[Any]]
) -> None:
    @app.task(retry_for={OSError: RetryRule(countdown=lambda retries, error: 1 / retries)})
    def fetch() -> None:
        raise OSError("gone")

    result = once(fetch.delay())
    with pytest.raises(ZeroDivisionError):
        result.get(timeout=5)
    assert "OSError: gone" in (result.traceback or "")


APP = """
import urllib.request
from pyqueue import PyQueue, RetryRule

app = PyQueue("jobs.db")

@app.task(autoretry_for=(OSError,), default_retry_delay=0)
def patient(url):
    return urllib.request.urlopen(url).status

@app.task(autoretry_for=(OSError,), default_retry_delay=0, retry_after_max=0)
def hasty(url):
    return urllib.request.urlopen(url).status
"""


class Busy(BaseHTTPRequestHandler):
    """Answers 503 with Retry-After: 1, and 200 from the third time on; notes when it was asked."""

    asked: dict[str, list[float]] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        times = self.asked.setdefault(self.path, [])
        times.append(time.monotonic())
        self.send_response(503 if len(times) < 3 else 200)
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_server_that_asks_for_a_second_is_given_one(project: Any, worker: Callable[..., Any]) -> None:
    """The control arm: a task that does not listen comes back at once."""
    tasks = project(APP)
    module = tasks.load()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        worker("--app", str(tasks.file), "-c", "2")
        results = [module.patient.delay(f"{url}/patient"), module.hasty.delay(f"{url}/hasty")]
        assert [result.get(timeout=20) for result in results] == [200, 200]
    finally:
        server.shutdown()
        server.server_close()
    gaps = {path: [b - a for a, b in pairwise(at)] for path, at in Busy.asked.items()}
    assert len(gaps["/patient"]) == len(gaps["/hasty"]) == 2
    assert min(gaps["/patient"]) >= 1
    # Not by its speed: it went on before the second was over.
    assert min(gaps["/hasty"]) < 1
