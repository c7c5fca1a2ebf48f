"""A retry may go on in another queue, under the same id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue._core import Gates
from pyqueue.exceptions import InvalidJob
from pyqueue.result import AsyncResult
from pyqueue.worker.run_job import run_job

Once = Callable[[AsyncResult[Any]], AsyncResult[Any]]


def counts(app: PyQueue) -> dict[str, tuple[int, int, int, int]]:
    return {
        each.name: (each.waiting, each.running, each.succeeded, each.retried) for each in app.store.queues()
    }


def slow_task(app: PyQueue, **options: Any) -> Any:
    @app.task(bind=True, name="heavy", **options)
    def heavy(self: Any, n: int = 0) -> list[object]:
        if self.request.queue != "slow":
            raise self.retry(queue="slow", countdown=0)
        return [self.request.queue, self.request.priority, self.request.retries, n]

    return heavy


def test_the_job_goes_on_in_the_other_queue_with_its_id_and_priority(app: PyQueue, once: Once) -> None:
    heavy = slow_task(app)
    result = heavy.apply_async((3,), queue="fast", priority=7)
    once(result)
    assert counts(app) == {"fast": (0, 0, 0, 1), "slow": (1, 0, 0, 0)}
    assert [job.queue for job in app.store.jobs()] == ["slow"]
    assert once(result).get(timeout=0) == ["slow", 7, 1, 3]
    assert counts(app) == {"fast": (0, 0, 0, 1), "slow": (0, 0, 1, 0)}
    assert [job.queue for job in app.store.jobs()] == ["slow"]
    assert app.store.examine() == []


def test_a_worker_of_the_first_queue_alone_does_not_get_it_again(app: PyQueue) -> None:
    heavy = slow_task(app)
    for n in range(5):
        heavy.apply_async((n,), queue="fast")
    worker = app.store.join("w", 9, 60_000_000)
    for job in app.store.claim(worker, 9, queues=["fast"]):
        app.store.finish([(job, run_job(app, job))])
    assert app.store.claim(worker, 9, queues=["fast"]) == []
    assert len(app.store.claim(worker, 9, queues=["slow"])) == 5
    assert {each.name: each.running for each in app.store.queues()} == {"fast": 0, "slow": 5}
    app.store.part(worker)
    assert counts(app)["slow"] == (5, 0, 0, 0)
    assert app.store.purge("fast") == 0
    assert app.store.purge("slow") == 5
    assert app.store.examine() == []


def test_a_dedup_key_goes_along_or_the_job_stays(app: PyQueue, once: Once) -> None:
    heavy = slow_task(app)
    first = heavy.apply_async((1,), queue="fast", dedup_key="k")
    once(first)
    assert heavy.apply_async((2,), queue="slow", dedup_key="k") == first
    second = heavy.apply_async((3,), queue="fast", dedup_key="k")
    assert second != first
    Gates(app.store).pause(queue="slow")
    # Its key is taken in the other queue.
    once(second)
    assert {job.id: job.queue for job in app.store.jobs()} == {first.id: "slow", second.id: "fast"}
    assert app.store.examine() == []


def test_a_failed_one_is_replayed_where_it_failed(app: PyQueue, once: Once) -> None:
    @app.task(bind=True, max_retries=1)
    def moody(self: Any) -> None:
        raise self.retry(exc=OSError("no"), queue="slow", countdown=0)

    result = moody.delay()
    once(once(result))
    assert result.state == "FAILURE"
    result.replay()
    assert {job.queue for job in app.store.jobs(state="waiting")} == {"slow"}


@pytest.mark.parametrize("queue", ["", "a\0b", "x" * 256, 5, ["slow"]], ids=lambda queue: repr(queue)[:20])
def test_what_is_no_queue_is_refused(app: PyQueue, once: Once, queue: Any) -> None:
    @app.task(bind=True)
    def wrong(self: Any) -> None:
        raise self.retry(queue=queue)

    result = once(wrong.delay())
    with pytest.raises(InvalidJob, match="a queue is a name of 1 to 255 printable characters, not "):
        result.get(timeout=0)


APP = """
from pyqueue import PyQueue
from pyqueue._core import Gates
app = PyQueue("jobs.db")

@app.task(bind=True)
def heavy(self):
    if self.request.queue == "default":
        raise self.retry(queue="slow", countdown=0)
    return self.request.hostname
"""


def test_with_real_workers(project: Callable[[str], Any], worker: Callable[..., Any]) -> None:
    tasks = project(APP)
    module = tasks.load()
    worker("-A", str(tasks.file), "-c", "1", "-Q", "default", "-n", "quick")
    worker("-A", str(tasks.file), "-c", "1", "-Q", "slow", "-n", "slow")
    results = [module.heavy.delay() for _ in range(20)]
    assert [result.get(timeout=20) for result in results] == ["slow"] * 20
