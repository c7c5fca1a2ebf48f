"""What a call may say, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyqueue import PyQueue, Task
from pyqueue.exceptions import DuplicateJob, EncodeError, ImproperlyConfigured, InvalidJob
from pyqueue.result import AsyncResult
from pyqueue.worker.run_job import run_job

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


@pytest.fixture
def look(app: PyQueue) -> Task[..., Any]:
    """A task that returns parts of its request."""

    @app.task(bind=True, name="look")
    def look(self: Task[..., Any], *args: Any) -> dict[str, Any]:
        names = "id root_id parent_id args kwargs headers eta expires correlation_id reply_to group is_eager"
        return {name: getattr(self.request, name) for name in names.split()}

    return look


def newest(app: PyQueue, task: str) -> AsyncResult[Any]:
    return app.AsyncResult(app.store.jobs(task=task, limit=1)[0].id)


def test_headers_and_times_are_in_the_request(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    expires = datetime.now(UTC) + timedelta(hours=1)
    seen = once(
        look.apply_async((1,), headers={"trace": "t1"}, eta=datetime(2020, 1, 1), expires=expires, shadow="x")
    ).get(timeout=5)
    assert seen["headers"] == {"trace": "t1"}
    assert seen["eta"] == "2020-01-01T00:00:00+00:00"
    assert seen["expires"] == expires.isoformat()
    assert (seen["root_id"], seen["parent_id"], seen["correlation_id"]) == (seen["id"], None, seen["id"])
    assert (seen["reply_to"], seen["group"], seen["is_eager"]) == (None, None, False)


def test_children_know_their_parent_and_their_root(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    @app.task(name="child")
    def child() -> str:
        return look.delay().id

    @app.task(name="root")
    def root() -> str:
        return child.delay().id

    first = once(root.delay())
    second = once(app.AsyncResult(first.get(timeout=5)))
    seen = once(app.AsyncResult(second.get(timeout=5))).get(timeout=5)
    assert (seen["root_id"], seen["parent_id"]) == (first.id, second.id)
    assert first.children == [second]
    assert app.AsyncResult(seen["id"]).children == []
    assert look.delay().children is None


def test_only_the_first_thousand_children_are_noted(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    @app.task(name="many")
    def many() -> None:
        app.enqueue_many([look.s()] * 600)
        app.enqueue_many([look.s()] * 600)

    children = once(many.delay()).children
    assert children is not None
    assert len(children) == 1_000


@pytest.mark.parametrize(
    "times", [{"countdown": -5}, {"eta": datetime(1969, 1, 1)}, {"countdown": timedelta(0)}]
)
def test_what_was_due_before_now_is_due_now(
    app: PyQueue, once: Once, look: Task[..., Any], times: Any
) -> None:
    assert once(look.apply_async((), **times)).state == "SUCCESS"


def test_times_as_lengths_and_far_away(app: PyQueue, look: Task[..., Any]) -> None:
    for times in ({"countdown": timedelta(days=365)}, {"eta": datetime(9999, 12, 31)}, {"countdown": 1e9}):
        assert look.apply_async((), **times).state == "PENDING"
    with pytest.raises(ValueError, match="beyond the year 9999"):
        look.apply_async((), countdown=timedelta.max)
    with pytest.raises(ValueError, match="beyond the year 9999"):
        look.apply_async((), countdown=252_000_000_000)


def test_options_that_only_a_broker_needs_are_taken(app: PyQueue, look: Task[..., Any]) -> None:
    look.apply_async((), retry=False, retry_policy={}, shadow="other", serializer="json")
    with pytest.raises(ImproperlyConfigured, match="serializer='pickle' can't be had"):
        look.apply_async((), serializer="pickle")


def test_a_key_returns_refuses_or_replaces(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    first = look.apply_async((1,), dedup_key="k")
    assert look.apply_async((2,), dedup_key="k") == first
    with pytest.raises(DuplicateJob, match=first.id):
        look.apply_async((2,), dedup_key="k", dedup="refuse")
    with pytest.raises(DuplicateJob, match='the dedup key "new" stands twice in this call'):
        app.enqueue_many([look.signature((n,), dedup_key="new", dedup="refuse") for n in range(2)])
    second = look.apply_async((2,), dedup_key="k", dedup="replace")
    assert first.state == "REVOKED"
    assert once(second).get(timeout=5)["args"] == [2]
    assert look.apply_async((3,), dedup_key="k").created


def test_a_window_keeps_the_key_taken(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    first = once(look.apply_async((), dedup_key="k", dedup_window=timedelta(hours=1)))
    assert first.ready()
    assert look.apply_async((), dedup_key="k", dedup_window=3600).id == first.id


def test_link_is_made_in_the_commit_that_ends_the_job(app: PyQueue, look: Task[..., Any]) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    worker = app.store.join("test", 1, 30_000_000)
    result = add.apply_async((1, 2), link=[look.s("more"), look.si("alone").set(queue="mail")])
    job = app.store.claim(worker, 1)[0]
    outcome = run_job(app, job)
    assert app.store.jobs(task="look") == []
    app.store.finish([(job, outcome)])
    seen = []
    for _ in range(2):
        (next_job,) = app.store.claim(worker, 1)
        app.store.finish([(next_job, run_job(app, next_job))])
        seen.append((next_job.queue, app.AsyncResult(next_job.id).get(timeout=5)))
    by_queue = dict(seen)
    assert by_queue["default"]["args"] == [3, "more"]
    assert by_queue["mail"]["args"] == ["alone"]
    assert {each["parent_id"] for each in by_queue.values()} == {result.id}
    assert {each["root_id"] for each in by_queue.values()} == {result.id}


def test_link_error_gets_the_failed_jobs_id(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    fail = app.task(name="fail")(lambda: 1 / 0)
    failed = once(fail.apply_async((), link=look.s("never"), link_error=look.s("why")))
    assert failed.state == "FAILURE"
    seen = once(newest(app, "look")).get(timeout=5)
    assert seen["args"] == [failed.id, "why"]
    assert len(app.store.jobs(task="look")) == 1


def test_links_may_have_links_and_be_dictionaries(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    then = add.s(10).set(link=look.s(), countdown=timedelta(0))
    once(add.apply_async((1, 2), link={"task": "add", "args": [5], "options": {"link": [then.to_dict()]}}))
    once(newest(app, "add"))
    once(newest(app, "add"))
    assert once(newest(app, "look")).get(timeout=5)["args"] == [18]


def test_a_link_that_is_no_signature_is_refused_at_the_call(app: PyQueue, look: Task[..., Any]) -> None:
    with pytest.raises(InvalidJob, match="a callback is a signature"):
        look.apply_async((), link=["look"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="needs the name of its task"):
        look.apply_async((), link={"args": []})


def test_a_result_too_large_for_its_link_fails_the_job(
    app: PyQueue, once: Once, look: Task[..., Any]
) -> None:
    give = app.task(name="give", ignore_result=True)(lambda: {1})
    assert isinstance(once(give.apply_async((), link=look.s())).result, EncodeError)
    assert app.store.jobs(task="look") == []


def test_a_retry_with_other_arguments_keeps_the_id_and_the_rest_of_the_call(
    app: PyQueue, once: Once, look: Task[..., Any]
) -> None:
    @app.task(bind=True)
    def count(self: Task[..., Any], n: int, *, by: int = 1) -> list[Any]:
        if n < 3:
            raise self.retry(args=[n + by], countdown=0)
        if by == 2:
            raise self.retry(kwargs={"by": 3}, countdown=0)
        return [n, by, self.request.id, self.request.headers]

    result = count.apply_async((0,), {"by": 2}, headers={"a": 1}, link=look.s())
    for _ in range(4):
        once(result)
    assert result.get(timeout=0) == [4, 3, result.id, {"a": 1}]
    assert result.retries == 3
    assert [job.task for job in app.store.jobs(state="waiting")] == ["look"]
    assert count.apply((0,), {"by": 2}).get()[:2] == [4, 3]


@pytest.mark.parametrize(
    ("args", "error"), [([{1}], "EncodeError"), (["x" * 2_000_000], "EncodeError"), ("text", "TypeError")]
)
def test_a_retry_with_arguments_that_can_not_be_stored_fails_the_job(
    app: PyQueue, once: Once, args: Any, error: str
) -> None:
    told = []

    class Telling(Task[..., Any]):
        def on_retry(self, *_: Any) -> None:
            told.append("retry")

        def on_failure(self, *_: Any) -> None:
            told.append("failure")

    @app.task(bind=True, base=Telling)
    def again(self: Task[..., Any]) -> None:
        raise self.retry(args=args)

    result = once(again.delay())
    assert (result.state, type(result.result).__name__) == ("FAILURE", error)
    assert told == ["failure"]


def test_a_chunk_is_not_retried_with_other_arguments(app: PyQueue, once: Once) -> None:
    @app.task(bind=True)
    def again(self: Task[..., Any], n: int) -> None:
        raise self.retry(args=[n + 1])

    result = once(again.starmap([(1,), (2,)]).delay())
    assert "a chunk of calls" in str(result.result)


def test_publishing_is_heard(app: PyQueue, look: Task[..., Any]) -> None:
    from pyqueue import signals

    told: list[tuple[str, Any, Any]] = []

    def hear(signal: Any, sender: Any, **named: Any) -> None:
        told.append((signal.name, sender, named["headers"]["id"]))

    both = (signals.before_task_publish, signals.after_task_publish)
    for each in both:
        each.connect(hear, sender="look")
    try:
        result = look.delay()
        several = app.enqueue_many([look.s()])
        app.send_task("other")
    finally:
        for each in both:
            each.disconnect(hear, sender="look")
    assert told == [
        ("before_task_publish", "look", None),
        ("after_task_publish", "look", result.id),
        ("before_task_publish", "look", None),
        ("after_task_publish", "look", several[0].id),
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"countdown": "soon"}, "countdown is a number of seconds or a timedelta, not 'soon'"),
        ({"eta": "tomorrow"}, "is a datetime, not 'tomorrow'"),
        ({"eta": 5}, "is a datetime, not 5"),
        ({"expires": "later"}, "is a number of seconds or a timedelta, not 'later'"),
        (
            {"dedup_key": "k", "dedup_window": []},
            r"dedup_window is a number of seconds or a timedelta, not \[\]",
        ),
        ({"headers": ["a"]}, r"headers (is|are) a dict.*, not \['a'\]"),
        ({"link": 5}, "is a signature.*, not 5"),
        ({"link_error": [len]}, "a callback is a signature"),
        ({"dedup_key": "k", "dedup": "maybe"}, "maybe"),
    ],
)
def test_a_wrong_option_is_said_in_one_sentence(
    app: PyQueue, look: Task[..., Any], options: Any, says: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        look.apply_async((), **options)
    assert app.store.jobs() == []


def test_a_signature_of_celery_is_one_of_ours(app: PyQueue, once: Once, look: Task[..., Any]) -> None:
    form = {
        "task": "look",
        "args": [1],
        "kwargs": {},
        "options": {"queue": "mail"},
        "subtask_type": None,
        "immutable": False,
    }
    signature = app.signature(form)
    assert signature.to_dict() == form
    assert once(signature.delay()).get(timeout=5)["args"] == [1]
