"""The tasks of the soak: what users' tasks do, good and bad. Copied into the soak's folder, where it is changed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from typing import Any

from load import app, begin, record

from pyqueue.exceptions import SoftTimeLimitExceeded

LEAKS: list[Any] = []


def ended(id: str, token: int) -> None:
    record("end", "ok", id, token)


@app.task(bind=True)
def quick(self: Any, tag: str) -> str:
    ended(*begin(self, tag))
    return tag


@app.task(bind=True)
def long(self: Any, tag: str) -> None:
    begun = begin(self, tag)
    time.sleep(0.5)
    ended(*begun)


@app.task(bind=True, queue="coroutines", max_losses=1_000)
async def coroutine(self: Any, tag: str) -> None:
    begun = begin(self, tag)
    await asyncio.sleep(0.2)
    ended(*begun)


@app.task(bind=True, max_losses=2)
def crash(self: Any, tag: str) -> None:
    begin(self, tag)
    record("kill", "invoke", os.getpid(), "itself")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True)
def leak(self: Any, tag: str) -> None:
    """Descriptors, a thread and memory that nobody gives back."""
    begun = begin(self, tag)
    LEAKS.extend((os.open("/dev/null", os.O_RDONLY), bytearray(os.urandom(1 << 16) * 64)))
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    ended(*begun)


@app.task(bind=True, soft_time_limit=0.1)
def warned(self: Any, tag: str) -> str:
    begun = begin(self, tag)
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        ended(*begun)
        return "in time"
    return "too late"


@app.task(bind=True, time_limit=0.3)
def stuck(self: Any, tag: str) -> None:
    begin(self, tag)
    time.sleep(30)


@app.task(bind=True)
def noisy(self: Any, tag: str) -> None:
    begun = begin(self, tag)
    os.write(1, bytes(range(256)) * 4)
    print("\x1b[2J\0" * 20)
    ended(*begun)


@app.task(bind=True)
def parent(self: Any, tag: str) -> None:
    """Of a process that outlives it."""
    begun = begin(self, tag)
    subprocess.Popen(["sleep", "2"])
    ended(*begun)
