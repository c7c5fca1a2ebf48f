"""localqueue on SQLite (by Rust): a queue of JSON values with leases; the worker is the one of its readme."""

import sys

from localqueue import SimpleQueue, Worker

from bench.rivals.environment import FOLDER, count, waited

SETTINGS = "its Worker in 2 processes, durability RELAXED (its default); it stores no results"

send_each = None
result = None

queue = SimpleQueue(str(FOLDER))


def worker():
    return 2 * [[sys.executable, "-m", __name__]]


def send(number):
    return queue.put(0)


def send_timed(sent_ns):
    queue.put(sent_ns)


def send_many(count):
    queue.put_many([0] * count)


def serve(job):
    if job.data:
        waited(job.data)
    else:
        count()


if __name__ == "__main__":
    Worker(queue, serve).run()
