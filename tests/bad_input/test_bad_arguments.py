from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import rows, said, unchanged

from pyqueue import PyQueue
from pyqueue._core import InvalidJob, NewJob
from pyqueue.exceptions import EncodeError, QueueError
from pyqueue.serialization import MAX_DEPTH
from pyqueue.task import Task
from pyqueue.worker.run_job import run_job


class Order: ...


@pytest.fixture
def call(app: PyQueue) -> Task[..., Any]:
    @app.task(name="shop.send")
    def send(what: Any = None, **more: Any) -> Any:
        return what

    send.delay("an earlier job")
    return send


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "happened", "do"),
    [
        (Order(), r"contains a .*Order", "pass its id or its plain fields"),
        (object(), "contains an object", "pass its id"),
        ({1, 2}, "contains a set", "make it a list"),
        (float("nan"), "contains NaN", "pass None or text"),
        (threading.Lock(), "contains a _thread.lock", "pass its id"),
        ({(1, 2): 3}, "keys must be str", ""),
        ({"__type__": "x", "__value__": 1}, "'__type__' and '__value__'", ""),
        (nested(MAX_DEPTH + 1), f"deeper than {MAX_DEPTH} levels", "flatten it"),
    ],
    ids=["instance", "object", "set", "nan", "lock", "tuple key", "lookalike", "deep"],
)
def test_an_argument_that_is_no_json_is_refused_at_delay_by_its_name(
    call: Task[..., Any], db: Path, value: object, happened: str, do: str
) -> None:
    with unchanged(db):
        with pytest.raises(EncodeError) as caught:
            call.delay("fine", to=["a", value])
        said(caught.value, happened=happened, do=do)
        said(caught.value, happened="argument to of the call of shop.send", do=do)
        with pytest.raises(EncodeError, match=r"argument 1 of the call of shop\.send"):
            call.delay(value)


def test_a_value_that_contains_itself_is_refused(call: Task[..., Any], db: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with unchanged(db), pytest.raises(EncodeError, match="argument 1 of the call"):
        call.delay(loop)


def test_a_payload_over_the_limit_is_refused_with_both_numbers(
    app: PyQueue, call: Task[..., Any], db: Path
) -> None:
    with unchanged(db):
        with pytest.raises(EncodeError) as caught:
            call.delay("x" * app.max_body)
        said(
            caught.value,
            happened=rf"bytes as JSON and the limit is {app.max_body:,}",
            do="store it elsewhere",
        )
        # Each argument fits and all of them don't.
        with pytest.raises(EncodeError, match=r"the call of shop\.send takes"):
            call.delay("x" * (app.max_body // 2), more="y" * (app.max_body // 2))
    envelope = len('{"v":1,"args":[""],"kwargs":{}}')
    assert call.delay("x" * (app.max_body - envelope)).created


def test_the_limits_are_those_that_the_documents_name(app: PyQueue) -> None:
    assert (app.max_body, MAX_DEPTH) == (1_048_576, 64)


def test_of_many_calls_with_one_bad_none_is_made(app: PyQueue, call: Task[..., Any], db: Path) -> None:
    with unchanged(db):
        with pytest.raises(EncodeError, match="argument 1"):
            app.enqueue_many([call.s(1), call.s(object()), call.s(2)])
        with pytest.raises(EncodeError, match="argument 1"):
            call.chunks([("a",), ({1},)], 1).delay()


@pytest.mark.parametrize(
    ("args", "kwargs"), [("abc", None), (b"abc", None), (5, None), ((), [1]), ((), 7)], ids=repr
)
def test_what_are_no_arguments_is_refused(call: Task[..., Any], db: Path, args: Any, kwargs: Any) -> None:
    with unchanged(db):
        with pytest.raises(TypeError) as caught:
            call.apply_async(args, kwargs)
        said(caught.value, happened="takes a list or tuple and a dict of arguments, not", do="write")


def test_a_wrong_result_fails_its_job_and_no_other(app: PyQueue, call: Task[..., Any]) -> None:
    @app.task(name="shop.wrong")
    def wrong(kind: str) -> Any:
        return {"object": Order(), "size": "x" * app.max_body, "depth": nested(MAX_DEPTH + 1)}[kind]

    results = [wrong.delay(kind) for kind in ("object", "size", "depth")]
    worker = app.store.join("test", 1, 30_000_000)
    jobs = app.store.claim(worker, 10)
    app.store.finish([(job, run_job(app, job)) for job in jobs])
    for result, happened, do in zip(
        results,
        ("contains a .*Order", "the limit is", "deeper than"),
        ("pass its id", "store it elsewhere", "flatten it"),
        strict=True,
    ):
        with pytest.raises(EncodeError) as caught:
            result.get(timeout=5)
        said(caught.value, happened=rf"the result of shop\.wrong .*{happened}", do=do)
        assert result.state == "FAILURE"
    assert [queue.succeeded for queue in app.store.queues()] == [1]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b'{"v":99,"args":[],"kwargs":{}}', b'{"v":1,"args":7,"kwargs":{}}', b"[" * 100_000],
    ids=["empty", "no utf-8", "no envelope", "newer", "no arguments", "deep"],
)
def test_a_message_of_another_writer_that_can_not_be_read_fails_its_job(
    app: PyQueue, call: Task[..., Any], body: bytes
) -> None:
    [(id, _)] = app.store.enqueue([NewJob("shop.send", body)])
    worker = app.store.join("test", 1, 30_000_000)
    jobs = app.store.claim(worker, 10)
    app.store.finish([(job, run_job(app, job)) for job in jobs])
    with pytest.raises(QueueError, match=r"message|call"):
        app.AsyncResult(id).get(timeout=5)
    [queue] = app.store.queues()
    assert (queue.succeeded, queue.failed, queue.running) == (1, 1, 0)


def test_a_body_over_the_limit_is_refused_by_the_store_too(
    app: PyQueue, call: Task[..., Any], db: Path
) -> None:
    with unchanged(db), pytest.raises(InvalidJob, match=r"bytes|limit"):
        app.store.enqueue([NewJob("shop.send", b"x" * (app.max_body + 1))])
    assert len(rows(db)["pyqueue_job"]) == 1
