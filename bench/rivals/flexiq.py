"""flexiq on SQLite."""

import sys

from flexiq import Queue

from bench.rivals.environment import FOLDER, count, waited

SETTINGS = (
    "pool prefork with 2 workers; the scheduler looks each 10 ms and takes 100 jobs a round (defaults: 50, 1), which "
    "makes it faster; results stored (its default)"
)

queue = Queue(
    db_path=str(FOLDER / "flexiq.db"), workers=2, scheduler_poll_interval_ms=10, scheduler_batch_size=100
)

send_each = None


@queue.task(name="nothing")
def nothing(number):
    count()


@queue.task(name="timed")
def timed(sent_ns):
    waited(sent_ns)


def worker():
    return [[sys.executable, "-m", "flexiq.cli", "worker", "--app", f"{__name__}:queue", "--pool", "prefork"]]


def send(number):
    return nothing.delay(number)


def send_timed(sent_ns):
    timed.delay(sent_ns)


def send_many(count):
    queue.enqueue_many("nothing", [(number,) for number in range(count)])


def result(job):
    job.result(timeout=30, poll_interval=0.001)
