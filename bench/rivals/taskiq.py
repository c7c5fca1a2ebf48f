"""taskiq on Redis."""

import asyncio
import sys

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from bench.rivals.environment import REDIS_URL, count, waited

SETTINGS = (
    "RedisStreamBroker (acknowledges, as in its readme), 2 processes with 100 async tasks each (its default), no "
    "parsing of arguments; results in Redis for an hour"
)

broker = RedisStreamBroker(url=REDIS_URL).with_result_backend(
    RedisAsyncResultBackend(redis_url=REDIS_URL, result_ex_time=3600)
)
send_many = None


@broker.task
async def nothing(number):
    count()


@broker.task
async def timed(sent_ns):
    waited(sent_ns)


def worker():
    flags = ("--workers", "2", "--log-level", "ERROR", "--no-parse")
    return [[sys.executable, "-m", "taskiq", "worker", f"{__name__}:broker", *flags]]


_loop = asyncio.new_event_loop()
_started = False


async def _kick(task, argument):
    global _started  # noqa: PLW0603
    if not _started:
        await broker.startup()
        _started = True
    return await task.kiq(argument)


def send(number):
    return _loop.run_until_complete(_kick(nothing, number))


def send_timed(sent_ns):
    _loop.run_until_complete(_kick(timed, sent_ns))


def send_each(count):
    async def all_of_them():
        for number in range(count):
            await _kick(nothing, number)

    _loop.run_until_complete(all_of_them())


def result(job):
    _loop.run_until_complete(job.wait_result(check_interval=0.001, timeout=30))
