"""litequeue on SQLite: a queue of texts; the worker is the loop of its readme."""

import sys
import time

from litequeue import LiteQueue

from bench.rivals.environment import FOLDER, count, waited

SETTINGS = "2 processes that pop, run, mark as done, and look each ms when it is empty; it has no tasks and no results"

send_each = None
send_many = None
result = None

queue = LiteQueue(str(FOLDER / "litequeue.db"))


def worker():
    return 2 * [[sys.executable, "-m", __name__]]


def send(number):
    return queue.put("nothing")


def send_timed(sent_ns):
    queue.put(str(sent_ns))


def serve():
    while True:
        message = queue.pop()
        if message is None:
            time.sleep(0.001)
            continue
        if message.data == "nothing":
            count()
        else:
            waited(int(message.data))
        queue.done(message.message_id)


if __name__ == "__main__":
    serve()
