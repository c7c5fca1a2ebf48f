"""RQ on Redis."""

import sys

from redis import Redis
from rq import Queue

from bench.rivals.environment import REDIS_URL, count, waited

SETTINGS = "rq worker-pool with 2 SimpleWorkers, 6x the default by its notes on performance; results kept (its default)"

queue = Queue(connection=Redis.from_url(REDIS_URL))

send_each = None


def nothing(number):
    count()


def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("-n", "2", "-w", "rq.worker.SimpleWorker", "-l", "ERROR", "-q")
    return [[sys.executable, "-m", "rq.cli", "worker-pool", "-u", REDIS_URL, *flags]]


def send(number):
    return queue.enqueue(nothing, number)


def send_timed(sent_ns):
    queue.enqueue(timed, sent_ns)


def send_many(count):
    queue.enqueue_many([Queue.prepare_data(nothing, (number,)) for number in range(count)])


def result(job):
    if job.latest_result(timeout=30) is None:
        raise TimeoutError("no result")
