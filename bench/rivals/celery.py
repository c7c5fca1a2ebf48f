"""Celery on Redis."""

import sys

from celery import Celery

from bench.rivals.environment import REDIS_URL, count, waited

SETTINGS = (
    "prefork, 2 processes; prefetch multiplier 128, as its guide says of many short tasks; no gossip, mingle or "
    "heartbeats; early acks (its default); results in Redis"
)

app = Celery("bench", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(
    worker_prefetch_multiplier=128,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
)

send_many = None
send_each = None


@app.task(name="nothing")
def nothing(number):
    count()


@app.task(name="timed")
def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-P", "prefork", "-c", "2")
    return [[sys.executable, "-m", "celery", "-A", __name__, "worker", "-l", "error", *flags]]


def send(number):
    return nothing.delay(number)


def send_timed(sent_ns):
    timed.delay(sent_ns)


def result(job):
    job.get(timeout=30, interval=0.001)
