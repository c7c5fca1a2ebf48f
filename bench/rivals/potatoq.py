"""potatoq on SQLite."""

import sys

from potatoq import Potatoq

from bench.rivals.environment import FOLDER, count, waited

SETTINGS = "2 processes, never recycled; results stored (its default)"

app = Potatoq("bench", broker=f"sqlite:///{FOLDER / 'potatoq.db'}")

send_many = None
send_each = None


@app.task(name="nothing")
def nothing(number):
    count()


@app.task(name="timed")
def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("-c", "2", "-l", "ERROR", "--no-scheduler", "--max-tasks-per-child", "100000000")
    return [[sys.executable, "-m", "potatoq", "-A", __name__, "worker", *flags]]


def send(number):
    return nothing.delay(number)


def send_timed(sent_ns):
    timed.delay(sent_ns)


def result(job):
    job.get(timeout=30, interval=0.001)
