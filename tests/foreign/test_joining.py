"""A job sent through the application's connection is there if its transaction commits, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from foreign.libraries import Hand, Scenario

from pyqueue import PyQueue, shared_task
from pyqueue.exceptions import DuplicateJob

Within = Callable[[Scenario[Any]], Any]
Sales = Callable[[], list[int]]

INSERT = "INSERT INTO sale VALUES(?)"


def ids(app: PyQueue) -> set[str]:
    """Every job of the file, once a worker has come by."""
    app.store.claim(app.store.join("test", 1, 30_000_000), 1, queues=["nobody"])
    return {job.id for job in app.store.jobs()}


def test_a_commit_brings_the_row_and_the_job(shop: PyQueue, within: Within, sales: Sales) -> None:
    def scenario(hand: Hand) -> None:
        hand.begin()
        hand.execute(INSERT, 1)
        sent = shop.tasks["add"].using(hand.connection).delay(2, 3)
        assert sent.created is True
        assert sent.state == "UNKNOWN"
        assert sales() == []
        hand.commit()
        assert sent.state == "PENDING"
        assert sales() == [1]

    within(scenario)


def test_a_rollback_leaves_nothing(shop: PyQueue, within: Within, sales: Sales) -> None:
    def scenario(hand: Hand) -> None:
        hand.begin()
        hand.execute(INSERT, 1)
        sent = shop.tasks["add"].using(hand.connection).delay(2, 3)
        hand.rollback()
        assert (sent.state, sales(), ids(shop)) == ("UNKNOWN", [], set())

    within(scenario)


def test_without_using_the_job_outlives_the_rollback(shop: PyQueue, within: Within, sales: Sales) -> None:
    def scenario(hand: Hand) -> None:
        hand.begin()
        sent = shop.tasks["add"].delay(2, 3)
        hand.execute(INSERT, 1)
        hand.rollback()
        assert (sent.state, sales()) == ("PENDING", [])

    within(scenario)


def test_the_transaction_may_begin_with_the_job(shop: PyQueue, within: Within, sales: Sales) -> None:
    def scenario(hand: Hand) -> None:
        for end, left in ((hand.rollback, 0), (hand.commit, 1)):
            hand.begin()
            sent = shop.tasks["add"].using(hand.connection).apply_async((2, 3), dedup_key="first")
            hand.execute(INSERT, 1)
            end()
            assert sent.state == ("PENDING" if left else "UNKNOWN")
            assert sales() == [1] * left

    within(scenario)


def test_a_savepoint_takes_its_jobs_along(shop: PyQueue, within: Within, sales: Sales) -> None:
    def scenario(hand: Hand) -> None:
        add = shop.tasks["add"].using(hand.connection)
        hand.begin()
        kept = [add.delay(1)]
        savepoint = hand.savepoint()
        dropped = [add.delay(2), add.apply_async((3,), dedup_key="k")]
        hand.execute(INSERT, 2)
        hand.back_to(savepoint)
        savepoint = hand.savepoint()
        hand.execute(INSERT, 4)
        kept.append(add.apply_async((4,), dedup_key="k"))
        hand.release(savepoint)
        hand.commit()
        assert [each.state for each in kept] == ["PENDING"] * 2
        assert [each.state for each in dropped] == ["UNKNOWN"] * 2
        assert sales() == [4]

    within(scenario)


def test_all_that_is_sent_in_a_block_joins(shop: PyQueue, within: Within) -> None:
    add = shop.tasks["add"]

    def scenario(hand: Hand) -> None:
        hand.begin()
        hand.execute(INSERT, 1)
        with shop.using(hand.connection) as connection:
            assert connection is hand.connection
            sent = [add.delay(1), add.s(2).delay(), shop.send_task("elsewhere", (3,))]
            sent += shop.enqueue_many(add.s(n) for n in range(100))
        hand.rollback()
        assert {each.state for each in sent} == {"UNKNOWN"}
        assert add.delay(4).state == "PENDING"

    within(scenario)


def test_a_batch_is_stored_whole_or_not_at_all(shop: PyQueue, within: Within, sales: Sales) -> None:
    add = shop.tasks["add"]
    taken = add.apply_async((0,), dedup_key="taken")

    def scenario(hand: Hand) -> None:
        hand.begin()
        hand.execute(INSERT, 1)
        batch = [add.s(1), add.s(2).set(dedup_key="taken", dedup="refuse"), add.s(3)]
        with shop.using(hand.connection):
            with pytest.raises(DuplicateJob, match=taken.id):
                shop.enqueue_many(batch)
            twice = add.s(4).set(dedup_key="twice", dedup="refuse")
            with pytest.raises(DuplicateJob, match="stands twice in this call"):
                shop.enqueue_many([twice, twice])
            kept = add.delay(5)
        hand.commit()
        assert ids(shop) == {taken.id, kept.id}
        assert sales() == [1]

    within(scenario)


def test_dedup_keys_hold_across_the_border(shop: PyQueue, within: Within) -> None:
    add = shop.tasks["add"]
    own = add.apply_async((1,), dedup_key="own")
    named = add.apply_async((1,), dedup_key="named", task_id="a name of one's own")

    def scenario(hand: Hand) -> None:
        through = add.using(hand.connection)
        hand.begin()
        first = through.apply_async((1,), dedup_key="new")
        for key, holder in (("own", own), ("named", named), ("new", first)):
            again = through.apply_async((1,), dedup_key=key)
            assert (again.id, again.created) == (holder.id, False)
            with pytest.raises(DuplicateJob, match=f"job {holder.id} has this dedup key"):
                through.apply_async((1,), dedup_key=key, dedup="refuse")
        assert through.apply_async((1,), dedup_key="own", queue="another").created
        hand.commit()
        again = add.apply_async((1,), dedup_key="new")
        assert (again.id, again.created) == (first.id, False)

    within(scenario)


def test_a_key_may_be_taken_over(shop: PyQueue, within: Within) -> None:
    add = shop.tasks["add"]
    old = add.apply_async((1,), dedup_key="k")

    def scenario(hand: Hand) -> None:
        hand.begin()
        new = add.using(hand.connection).apply_async((2,), dedup_key="k", dedup="replace")
        hand.commit()
        assert ids(shop) == {old.id, new.id}
        assert (old.state, new.state) == ("REVOKED", "PENDING")

    within(scenario)


def test_an_id_of_ones_own_makes_one_job(shop: PyQueue, within: Within) -> None:
    add = shop.tasks["add"]
    add.apply_async((1,), task_id="old")

    def scenario(hand: Hand) -> None:
        through = add.using(hand.connection)
        hand.begin()
        assert through.apply_async((1,), task_id="old").created is False
        assert through.apply_async((1,), task_id="new").created is True
        assert through.apply_async((1,), task_id="new").created is False
        hand.commit()
        assert ids(shop) == {"old", "new"}

    within(scenario)


def test_options_hold(shop: PyQueue, within: Within) -> None:
    add = shop.tasks["add"]

    def scenario(hand: Hand) -> None:
        through = add.using(hand.connection)
        hand.begin()
        plain = through.delay(1)
        urgent = through.apply_async((1,), priority=9, queue="fast", time_limit=7, soft_time_limit=5)
        later = through.apply_async((1,), countdown=60)
        late = through.apply_async((1,), expires=-1)
        watched = through.apply_async((1,), link_error=add.si(8))
        hand.commit()
        worker = shop.store.join("test", 10, 30_000_000)
        jobs = {job.id: job for job in shop.store.claim(worker, 10)}
        assert jobs.keys() == {plain.id, urgent.id, watched.id}
        fast = jobs[urgent.id]
        assert (fast.priority, fast.queue) == (9, "fast")
        assert (fast.time_limit_us, fast.soft_time_limit_us) == (7_000_000, 5_000_000)
        assert shop.store.view(later.id).state == "delayed"
        assert shop.store.view(late.id).state == "expired"

    within(scenario)


@shared_task(name="shared_sale")
def shared_sale() -> None:
    """A task of every app."""


def test_a_shared_task_joins_through_its_app(shop: PyQueue, within: Within) -> None:
    def scenario(hand: Hand) -> None:
        hand.begin()
        sent = shared_sale.using(hand.connection).delay()
        hand.rollback()
        assert sent.state == "UNKNOWN"

    within(scenario)
