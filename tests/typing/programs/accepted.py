"""What a user writes; no line is an error."""

from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from pyqueue import (
    AsyncResult,
    Celery,
    Check,
    GroupResult,
    PyQueue,
    Signature,
    Task,
    chain,
    chord,
    group,
    shared_task,
)

app = PyQueue("jobs.db", durability="normal")
celery = Celery("proj", broker="sqlite:///jobs.db", include=["proj.tasks"], timezone="UTC")


@app.task
def add(x: int, y: int = 0) -> int:
    return x + y


@app.task(max_retries=5, autoretry_for=(OSError,), retry_backoff=True, queue="mail")
def send(to: str, *, copy: bool = False) -> None: ...


@celery.task(bind=True, name="proj.bound")
def bound(self: Task[..., Any], n: int) -> list[str]:
    raise self.retry(countdown=5)


@shared_task
def shared(text: str) -> bytes:
    return text.encode()


@shared_task(bind=True, ignore_result=True)
def shared_bound(self: Any, n: int) -> int:
    return n


@app.task
async def fetch(url: str, tries: int = 1) -> bytes:
    return url.encode()


@app.task(soft_time_limit=5)
async def fetch_soon(url: str) -> bytes:
    return await fetch(url)


@celery.task(bind=True)
async def fetch_bound(self: Task[..., Any], url: str) -> list[bytes]:
    return [await fetch(url)]


@shared_task
async def fetch_shared(url: str) -> bytes:
    return await fetch(url)


@shared_task(bind=True, queue="net")
async def fetch_shared_bound(self: Any, url: str) -> bytes:
    return await fetch(url)


async def awaits() -> None:
    assert_type(await fetch("x"), bytes)
    assert_type(await fetch.call_local("x", tries=2), bytes)
    assert_type(await fetch.delay("x"), bytes)


assert_type(fetch.delay("x"), AsyncResult[bytes])
assert_type(fetch.apply_async(("x",)).get(), bytes)
assert_type(fetch.s("x"), Signature[bytes])
assert_type(fetch_soon.delay("x").get(), bytes)
assert_type(fetch_bound.delay("x").get(), list[bytes])
assert_type(fetch_shared.delay("x").get(), bytes)
assert_type(fetch_shared_bound.delay("x").get(), bytes)
assert_type(add(1, 2), int)
assert_type(add.delay(1, y=2), AsyncResult[int])
assert_type(add.delay(1).get(timeout=5), int)
assert_type(add.using(object()).delay(1, y=2), AsyncResult[int])
assert_type(fetch.using("default").apply_async(("x",), priority=3).get(), bytes)
add.on_commit(object()).delay(1, y=2)
add.delay_on_commit(1, y=2)
add.apply_async_on_commit((1,), countdown=5)
assert_type(bound.delay(3), AsyncResult[list[str]])
assert_type(shared.delay("x").get(), bytes)
assert_type(shared_bound.delay(3).get(), int)
assert_type(add.s(1, 2), Signature[int])
assert_type(app.enqueue_many([add.s(1, 2), add.si(3)]), list[AsyncResult[int]])
assert_type(app.send_group([add.s(1, 2)]), GroupResult[int])
assert_type(app.AsyncResult("id"), AsyncResult[Any])
send.delay("you", copy=True)
send.apply_async(("you",), {"copy": True}, countdown=5, queue="mail", priority=3)
send.apply_async(["you"], eta=datetime.now(UTC) + timedelta(hours=1), expires=timedelta(hours=2))
app.send_task("proj.other", [1, 2], queue="mail")

app.conf.update(task_default_queue="mail")
app.conf.task_always_eager = True
app.conf["CELERY_ALWAYS_EAGER"] = False
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["proj.mail"], related_name="jobs")
app.autodiscover_tasks(lambda: ["proj.mail"])
assert_type(app.config.grace, float)
assert_type(app.now(), datetime)
with app.worker(concurrency=2, queues=["mail"], grace=5):
    pass
with app.testing(propagate=False) as same:
    assert_type(same, PyQueue)


@add.check_back
def added(x: int, y: int = 0) -> Check:
    return Check.COMMIT


@fetch.check_back
async def fetched(url: str, tries: int = 1) -> Check:
    return Check.UNKNOWN


with app.prepare(add.s(1), timeout=timedelta(minutes=1)) as half:
    assert_type(half.result, AsyncResult[int])
with app.producer("in") as producer:
    assert_type(producer.send(add.s(1), position=b"at"), AsyncResult[int])
    assert_type(producer.send_many([add.s(1)], 5), list[AsyncResult[int]])

workflow = add.s(1, 2) | add.s(3)
assert_type(workflow, Signature[Any])
workflow.delay().get(timeout=5)
members: group[int] = group(add.s(1, n) for n in range(3))
assert_type(members.delay().get(), list[int])
chord([add.s(1, 2)], add.s(3), on_error="run").on_error(send.si("me")).delay().get()
chain(add.s(1), group(add.s(2), add.s(3)), add.s()).apply_async(queue="mail")
assert_type(app.GroupResult.restore("id").completed_count(), int)
assert_type(add.starmap([(1, 2)]).delay().get(), list[int])
graph = app.graph()
graph.add("a", add.s(1, 2), compensate=add.s(3))
graph.add("b", add.s(), after=["a"], when="always")
graph.delay().get(timeout=5)


@app.task(bind=True)
def composed(self: Task[..., Any], n: int) -> int:
    self.add_to_chord(add.s(1, n))
    assert_type(self.step("one", len, "text"), int)
    return self.replace(add.s(1, n) | add.s(2))  # type: ignore[no-any-return]
