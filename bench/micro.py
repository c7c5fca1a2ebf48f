"""The small operations, for their shape over time: ``python -m pytest bench/micro.py``. Information, never a gate."""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pyqueue._core import NewJob, Outcome, Store
from pyqueue.serialization import Call, decode_call, encode_call

CALL = Call([1, "two"], {"three": [4, 5.0, None]})
BODY = encode_call(CALL, "a call")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "jobs.db"), durability="normal")


def test_encode(benchmark: BenchmarkFixture) -> None:
    assert benchmark(encode_call, CALL, "a call") == BODY


def test_decode(benchmark: BenchmarkFixture) -> None:
    assert benchmark(decode_call, BODY) == CALL


def test_enqueue_one(benchmark: BenchmarkFixture, store: Store) -> None:
    benchmark(store.enqueue, [NewJob("t", BODY)])
    assert store.queues()[0].waiting > 0


def test_enqueue_1000(benchmark: BenchmarkFixture, store: Store) -> None:
    benchmark(store.enqueue, [NewJob("t", BODY) for _ in range(1000)])
    assert store.queues()[0].waiting >= 1000


def test_claim_and_finish_128(benchmark: BenchmarkFixture, store: Store) -> None:
    worker = store.join("bench", 1, 60_000_000)
    done = Outcome.success(b"null")

    def serve() -> None:
        store.finish([(job, done) for job in store.claim(worker, 128)])

    def fill() -> None:
        store.enqueue([NewJob("t", BODY) for _ in range(128)])

    benchmark.pedantic(serve, setup=fill, rounds=100)
    assert store.queues()[0].succeeded == 128 * 100
