"""arq on Redis."""

import asyncio
import sys

from arq import create_pool
from arq.connections import RedisSettings

from bench.rivals.environment import REDIS_PORT, count, waited

SETTINGS = (
    "2 processes, max_jobs 100, polls each 10 ms (default: 10 jobs, 0.5 s), which it needs to be fast; results kept "
    "(its default)"
)

settings = RedisSettings(host="127.0.0.1", port=REDIS_PORT)
send_many = None


async def nothing(context, number):
    count()


async def timed(context, sent_ns):
    waited(sent_ns)


class WorkerSettings:
    functions = (nothing, timed)
    redis_settings = settings
    max_jobs = 100
    poll_delay = 0.01


def worker():
    # The command's own module has no __main__.
    run = "from arq.cli import cli; cli()"
    quiet = ("--custom-log-dict", f"{__name__}.QUIET")
    return 2 * [[sys.executable, "-c", run, f"{__name__}.WorkerSettings", *quiet]]


QUIET = {"version": 1, "disable_existing_loggers": False}

_loop = asyncio.new_event_loop()
_pool = None


async def _enqueue(name, argument):
    global _pool  # noqa: PLW0603
    if _pool is None:
        _pool = await create_pool(settings)
    return await _pool.enqueue_job(name, argument)


def send(number):
    return _loop.run_until_complete(_enqueue("nothing", number))


def send_timed(sent_ns):
    _loop.run_until_complete(_enqueue("timed", sent_ns))


def send_each(count):
    async def all_of_them():
        for number in range(count):
            await _enqueue("nothing", number)

    _loop.run_until_complete(all_of_them())


def result(job):
    _loop.run_until_complete(job.result(timeout=30, poll_delay=0.001))
