"""Dramatiq on Redis."""

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from bench.rivals.environment import REDIS_URL, count, waited

SETTINGS = "2 processes with 8 threads each (its default), results in Redis by its Results middleware"

broker = RedisBroker(url=REDIS_URL)
broker.add_middleware(Results(backend=RedisBackend(url=REDIS_URL)))
dramatiq.set_broker(broker)

send_many = None
send_each = None


@dramatiq.actor(store_results=True)
def nothing(number):
    count()


@dramatiq.actor(store_results=True)
def timed(sent_ns):
    waited(sent_ns)


def worker():
    return [[sys.executable, "-m", "dramatiq", __name__, "--processes", "2", "--skip-logging"]]


def send(number):
    return nothing.send(number)


def send_timed(sent_ns):
    timed.send(sent_ns)


def result(job):
    job.get_result(block=True, timeout=30_000)
