"""honker on SQLite."""

import sys

import honker

from bench.rivals.environment import FOLDER, count, waited

SETTINGS = (
    "2 processes with one async worker each (a thread per task otherwise); results stored (its default)"
)

db = honker.open(str(FOLDER / "honker.db"))
queue = db.queue("default")

send_many = None
send_each = None


@queue.task()
async def nothing(number):
    count()


@queue.task()
async def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("--queue", "default", "--concurrency", "1")
    return 2 * [[sys.executable, "-m", "honker", "worker", f"{__name__}:db", *flags]]


def send(number):
    return nothing(number)


def send_timed(sent_ns):
    timed(sent_ns)


def result(job):
    job.get(timeout=30)
