"""Huey on Redis."""

import sys

from huey import RedisHuey

from bench.rivals.environment import REDIS_PORT, count, waited

SETTINGS = "2 processes, blocking reads (its default), no periodic tasks; results stored; at most once"

huey = RedisHuey("bench", host="127.0.0.1", port=REDIS_PORT, store_none=True)

send_many = None
send_each = None


@huey.task()
def nothing(number):
    count()


@huey.task()
def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("-w", "2", "-k", "process", "-n", "-q")
    return [[sys.executable, "-m", "huey.bin.huey_consumer", f"{__name__}.huey", *flags]]


def send(number):
    return nothing(number)


def send_timed(sent_ns):
    timed(sent_ns)


def result(job):
    job.get(blocking=True, timeout=30, backoff=1, max_delay=0.001)
