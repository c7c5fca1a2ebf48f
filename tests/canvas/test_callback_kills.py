"""A chord whose members' processes are killed again and again: its callback is called once, with every member's value."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyqueue import chord

SOURCE = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")

def note(path, line):
    descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, line)
    os.close(descriptor)

@app.task(max_losses=1_000)
def member(number, path):
    time.sleep(0.005)
    note(path, b"%d\\n" % number)
    return number

@app.task(max_losses=1_000)
def body(numbers, path):
    note(path, b"called\\n")
    return numbers
"""


def under_kills(
    tasks: ModuleType, worker: Callable[..., Any], folder: Path, members: int, kills: int
) -> tuple[Any, list[str]]:
    """The chord's result, and what its members and its body have noted; each kill hits who holds members."""
    dice = random.Random(members)
    notes = folder / "notes"
    header = (tasks.member.s(number, str(notes)) for number in range(members))
    flags = ("-A", tasks.__project__.file.name, "-c", "2")
    handles = [worker(*flags), worker(*flags)]
    result = chord(header, tasks.body.s(str(folder / "called"))).delay()
    app, done = tasks.app, 0
    while done < kills:
        holding = {one.pid: one for one in app.store.workers() if one.alive and one.running}
        held = [handle for handle in handles if handle.pid in holding]
        assert held or not result.ready(), f"it ended after {done} kills"
        if not held:
            time.sleep(0.001)
            continue
        handle = dice.choice(held)
        if dice.random() < 0.15:
            os.kill(handle.pid, signal.SIGKILL)
            handles[handles.index(handle)] = worker(*flags)
            done += 1
        else:
            for child in handle.children()[:1]:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    done += 1
        time.sleep(dice.random() * 0.02)
    assert not result.ready(), "the last kill came after the end"
    value = result.get(timeout=120)
    assert (folder / "called").read_text() == "called\n" * result.attempts()[-1].number
    return value, notes.read_text().split()


@pytest.mark.parametrize(
    ("members", "kills"), [(1_500, 15), pytest.param(10_000, 100, marks=pytest.mark.slow)]
)
def test_the_callback_is_called_once_with_all(
    tasks: ModuleType, worker: Callable[..., Any], tmp_path: Path, members: int, kills: int
) -> None:
    value, noted = under_kills(tasks, worker, tmp_path, members, kills)
    assert value == list(range(members))
    assert {int(number) for number in noted} == set(range(members))
    jobs = tasks.app.store.queues()[0]
    assert jobs.succeeded == members + 1, "each ended once"
    assert jobs.lost > 0, "control: the kills hit jobs that ran"
    assert list(tasks.app.store.examine()) == []
