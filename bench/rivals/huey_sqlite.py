"""Huey on SQLite."""

import sys

from huey import SqliteHuey

from bench.rivals.environment import FOLDER, count, waited

SETTINGS = (
    "SqliteHuey as it comes (WAL, no fsync), 2 processes that look each 10 ms (default: 0.1 to 10 s), no periodic "
    "tasks; results stored; at most once"
)

huey = SqliteHuey("bench", filename=str(FOLDER / "huey.db"), store_none=True)

send_many = None
send_each = None


@huey.task()
def nothing(number):
    count()


@huey.task()
def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("-w", "2", "-k", "process", "-n", "-q", "-d", "0.01", "-m", "0.01", "-b", "1")
    return [[sys.executable, "-m", "huey.bin.huey_consumer", f"{__name__}.huey", *flags]]


def send(number):
    return nothing(number)


def send_timed(sent_ns):
    timed(sent_ns)


def result(job):
    job.get(blocking=True, timeout=30, backoff=1, max_delay=0.001)
