"""Random calls of the public API, in step with a reference of plain values."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from stateful.reference import Job, Reference, any_of

from pyqueue import PyQueue
from pyqueue._core import Gates, Outcome
from pyqueue._core import Job as Claimed
from pyqueue.exceptions import DuplicateJob, LeaseLost, Reject, TaskRevokedError
from pyqueue.worker.run_job import run_job

SEED = int(os.environ.get("PYQUEUE_TEST_SEED", "20240229"))
EXAMPLES = int(os.environ.get("PYQUEUE_TEST_EXAMPLES", "120"))
MANY = 2_000
STEPS = 50
# In memory where it can be: what is tried here is no promise about disks.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

queues = st.sampled_from(["a", "b"])
priorities = st.sampled_from([-128, 0, 0, 0, 5, 127])
whats = st.sampled_from(["ok", "ok", "fail", "retry", "reject"])
numbers = st.integers(0, 50)


class Queue(RuleBasedStateMachine):
    """The real queue and its reference."""

    reference: type[Reference] = Reference

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="stateful-", dir=MEMORY)
        self.app = PyQueue(Path(self.folder) / "jobs.db", durability="normal")
        self.model = self.reference()
        self.worker = self.app.store.join("test", 1, 3_600_000_000)
        self.running: dict[str, Claimed] = {}

        @self.app.task(name="act", bind=True, max_losses=2)
        def act(task: Any, what: str) -> str:
            if what == "fail":
                raise ValueError(what)
            if what == "reject":
                raise Reject("later", requeue=True)
            if what == "retry" and task.request.retries == 0:
                raise task.retry(countdown=0, max_retries=None)
            return what

        self.act = act

    def teardown(self) -> None:
        self.app.store.close()
        shutil.rmtree(self.folder)

    @rule(what=whats, queue=queues, priority=priorities, later=st.sampled_from([False, False, False, True]))
    def enqueue(self, what: str, queue: str, priority: int, later: bool) -> None:
        delay = {"countdown": 3_600} if later else {}
        result = self.act.apply_async((what,), queue=queue, priority=priority, **delay)
        assert result.created
        self.model.add(result.id, what, queue, priority, later=later)

    @rule(what=whats, queue=queues, priority=priorities, key=st.sampled_from(["k", "l"]),
          dedup=st.sampled_from(["return", "refuse", "replace"]))  # fmt: skip
    def enqueue_once(self, what: str, queue: str, priority: int, key: str, dedup: str) -> None:
        holder = self.model.holder(queue, key)
        call = {"queue": queue, "priority": priority, "dedup_key": key, "dedup": dedup}
        if holder is not None and dedup == "refuse":
            with pytest.raises(DuplicateJob):
                self.act.apply_async((what,), **call)  # type: ignore[arg-type]
            return
        result = self.act.apply_async((what,), **call)  # type: ignore[arg-type]
        replaced = holder is not None and dedup == "replace" and self.model.revoke(holder)
        if holder is not None and not replaced:
            assert (result.id, result.created) == (holder.id, False)
            return
        assert result.created
        self.model.add(result.id, what, queue, priority, key)

    @rule(what=whats, id=st.sampled_from(["one", "two"]), queue=queues)
    def enqueue_named(self, what: str, id: str, queue: str) -> None:
        known = self.model.jobs.get(id)
        result = self.act.apply_async((what,), task_id=id, queue=queue)
        assert result.id == id
        assert result.created == (known is None or known.forgotten)
        if result.created:
            self.model.add(id, what, queue, 0)

    @rule(queue=queues, limit=st.integers(1, 4))
    def claim(self, queue: str, limit: int) -> None:
        expected = self.model.next_in_line(queue, limit)
        claimed = self.app.store.claim(self.worker, limit, queues=[queue])
        assert [job.id for job in claimed] == [job.id for job in expected]
        for job in claimed:
            self.model.jobs[job.id].state = "STARTED"
            self.running[job.id] = job

    def take(self, number: int) -> tuple[Job, Claimed]:
        id = sorted(self.running)[number % len(self.running)]
        return self.model.jobs[id], self.running.pop(id)

    @precondition(lambda self: self.running)
    @rule(number=numbers)
    def run_one(self, number: int) -> None:
        job, claimed = self.take(number)
        self.app.store.finish([(claimed, run_job(self.app, claimed))])
        self.model.run(job)
        with pytest.raises(LeaseLost):
            self.app.store.finish([(claimed, Outcome.given_back())])

    @precondition(lambda self: self.running)
    @rule(number=numbers)
    def lose_one(self, number: int) -> None:
        job, claimed = self.take(number)
        self.app.store.finish([(claimed, Outcome.lost("it was killed"))])
        self.model.lose(job)

    @rule(number=numbers)
    def revoke(self, number: int) -> None:
        job = any_of(self.model.jobs.values(), number)
        if job is not None:
            assert self.app.AsyncResult(job.id).revoke() == self.model.revoke(job)

    @rule(number=numbers)
    def forget(self, number: int) -> None:
        job = any_of(self.model.jobs.values(), number)
        if job is not None:
            assert self.app.AsyncResult(job.id).forget() == self.model.forget(job)

    @rule(number=numbers)
    def replay(self, number: int) -> None:
        job = any_of((job for job in self.model.jobs.values() if job.ended), number)
        if job is not None:
            id = self.app.store.replay(job.id)
            assert (id is not None) == self.model.replayable(job)
            holder = self.model.holder(job.queue, job.key)
            if id is not None and holder is not None:
                assert id == holder.id
            elif id is not None:
                self.model.add(id, job.what, job.queue, job.priority, job.key)

    @rule(queue=queues)
    def pause_or_resume(self, queue: str) -> None:
        gates = Gates(self.app.store)
        (gates.resume if queue in self.model.paused else gates.pause)(queue=queue)
        self.model.paused ^= {queue}

    @rule(queue=queues, sure=st.integers(0, 9))
    def purge(self, queue: str, sure: int) -> None:
        if sure == 0:
            assert self.app.store.purge(queue) == self.model.purge(queue)

    @rule()
    def reopen(self) -> None:
        self.app.store.close()

    @rule(number=numbers)
    def get(self, number: int) -> None:
        job = any_of((job for job in self.model.jobs.values() if job.ended and not job.forgotten), number)
        if job is None:
            return
        answer = self.app.AsyncResult(job.id).get(timeout=0, propagate=job.state == "SUCCESS")
        if job.state == "SUCCESS":
            assert answer == job.what
        else:
            assert isinstance(answer, TaskRevokedError) == (job.state == "REVOKED")

    @invariant()
    def every_state_is_the_references(self) -> None:
        shown = {job.id: self.app.AsyncResult(job.id).state for job in self.model.jobs.values()}
        assert shown == {job.id: job.shown for job in self.model.jobs.values()}

    @invariant()
    def the_counts_are_the_references(self) -> None:
        for queue in self.app.store.queues():
            counted = (queue.waiting, queue.delayed, queue.running)
            assert counted == self.model.counts(queue.name), queue.name


def run(machine: type[Queue], examples: int, first: int = SEED) -> None:
    print(f"PYQUEUE_TEST_SEED={first} PYQUEUE_TEST_EXAMPLES={examples}")
    quick = [Phase.generate] if machine is not Queue else list(Phase)
    run_state_machine_as_test(
        seed(first)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=quick,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
def test_the_queue_does_what_the_reference_does() -> None:
    run(Queue, EXAMPLES)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_the_queue_does_what_the_reference_does_in_many_worlds() -> None:
    run(Queue, MANY)


class PriorityIgnored(Reference):
    def next_in_line(self, queue: str, limit: int) -> list[Job]:
        for job in self.jobs.values():
            job.priority = 0
        return super().next_in_line(queue, limit)


class KeyHeldForEver(Reference):
    def holder(self, queue: str, key: str | None) -> Job | None:
        return next((job for job in self.jobs.values() if key and (job.queue, job.key) == (queue, key)), None)


class LostFromTheFront(Reference):
    def lose(self, job: Job) -> None:
        super().lose(job)
        self.made += 1
        job.order = self.made


class RunningRevoked(Reference):
    def revoke(self, job: Job) -> bool:
        job.state = "PENDING" if job.state == "STARTED" else job.state
        return super().revoke(job)


class PausedNotHeld(Reference):
    def next_in_line(self, queue: str, limit: int) -> list[Job]:
        self.paused.discard(queue)
        return super().next_in_line(queue, limit)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "wrong", [PriorityIgnored, KeyHeldForEver, LostFromTheFront, RunningRevoked, PausedNotHeld]
)
def test_control_another_promise_is_noticed(wrong: type[Reference]) -> None:
    machine = type(wrong.__name__, (Queue,), {"reference": wrong})
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        # It ends with the first that is noticed; from this seed on that is soon.
        run(machine, MANY, first=12)
    assert not isinstance(caught.value, (SyntaxError, NameError, ImportError))
