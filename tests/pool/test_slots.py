"""How jobs go to the slots: by themselves, or as many as the user says; and what status shows of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue.cli.main import main

SOURCE = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db")

@app.task
def hold(path):
    if os.path.exists(path): return os.getpid()
    open(path + ".started", "w").close()
    while not os.path.exists(path): time.sleep(0.01)
    return os.getpid()

@app.task
def pid(): return os.getpid()

@app.task
def sleep(seconds): time.sleep(seconds)
"""
Worker = Callable[..., Any]
Eventually = Callable[..., None]


def shown(tasks: Any) -> Any:
    [one] = tasks.app.store.workers()
    return one


def held(tasks: Any, folder: Path, eventually: Eventually) -> Any:
    """A job that holds its slot until the file go is there."""
    result = tasks.hold.delay(str(folder / "go"))
    eventually((folder / "go.started").exists)
    return result


def test_prefetched_jobs_wait_behind_the_slot_that_has_them(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    file = tasks.__project__.file.name
    first = worker("-A", file, "-c", "1", "--prefetch", "3")
    holding = held(tasks, tmp_path, eventually)
    behind = [tasks.pid.delay() for _ in range(2)]
    eventually(lambda: shown(tasks).running == 3)
    rest = [tasks.pid.delay() for _ in range(4)]
    second = worker("-A", file, "-c", "1")
    assert {result.get(timeout=20) for result in rest} == set(second.children())
    assert [result.ready() for result in behind] == [False, False]
    (tmp_path / "go").touch()
    assert {result.get(timeout=20) for result in [holding, *behind]} == set(first.children())


def test_control_without_it_nothing_waits_behind_a_busy_slot(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    file = tasks.__project__.file.name
    worker("-A", file, "-c", "1")
    held(tasks, tmp_path, eventually)
    behind = [tasks.pid.delay() for _ in range(2)]
    second = worker("-A", file, "-c", "1")
    assert {result.get(timeout=20) for result in behind} == set(second.children())
    (tmp_path / "go").touch()


def test_an_idle_slot_of_the_same_worker_takes_them(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2", "--prefetch", "4")
    held(tasks, tmp_path, eventually)
    assert len({tasks.pid.delay().get(timeout=20) for _ in range(20)}) == 1
    several = [tasks.pid.delay() for _ in range(6)]
    assert len({result.get(timeout=20) for result in several}) == 1
    (tmp_path / "go").touch()


def test_threads_have_as_many_each(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "-P", "threads", "-c", "2", "--prefetch", "2")
    holding = [held(tasks, tmp_path, eventually) for _ in range(2)]
    behind = [tasks.pid.delay() for _ in range(5)]
    eventually(lambda: shown(tasks).running == 4)
    (tmp_path / "go").touch()
    assert len({result.get(timeout=20) for result in [*holding, *behind]}) == 1


@pytest.mark.parametrize(("given", "had"), [(1, None), (4, 4)])
def test_the_setting_of_celery(tasks: Any, worker: Worker, given: int, had: int | None) -> None:
    file = tasks.__project__.file
    file.write_text(file.read_text() + f"\napp.conf.worker_prefetch_multiplier = {given}\n")
    handle = worker("-A", file.name, "-c", "1")
    assert shown(tasks).prefetch == had
    assert "without effect" not in handle.log.read_text()


def test_one_at_a_time(tasks: Any, worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "--prefetch", "1")
    results = [tasks.pid.delay() for _ in range(300)]
    for result in results:
        result.get(timeout=20)
    one = shown(tasks)
    assert (one.prefetch, one.frames) == (1, False)
    assert main(["status", "--db", "jobs.db"]) == 0
    assert "1 a slot" in capsys.readouterr().out


def test_status_shows_pool_slots_in_use_and_the_switch(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually, capsys: pytest.CaptureFixture[str]
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2", "-n", "w")
    assert main(["status", "--db", "jobs.db"]) == 0
    header, line = capsys.readouterr().out.splitlines()[-2:]
    assert header.split() == ["worker", "pid", "pool", "children", "slots", "running", "jobs"]
    assert [line.split()[0], *line.split()[2:]] == ["w", "prefork", "2", "0/2", "0", "single", "idle"]
    for result in [tasks.pid.delay() for _ in range(500)]:
        result.get(timeout=20)
    eventually(lambda: shown(tasks).frames)
    assert main(["status", "--db", "jobs.db"]) == 0
    assert "frames, " in capsys.readouterr().out
    holding = held(tasks, tmp_path, eventually)
    eventually(lambda: shown(tasks).busy == 1)
    assert main(["status", "--db", "jobs.db", "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)["workers"]
    assert (told["pool"], told["busy"], told["slots"], told["least"], told["most"]) == ("prefork", 1, 2, 2, 2)
    assert (told["frames"], told["prefetch"]) == (True, None)
    assert 0 < told["mean"] < 0.001
    (tmp_path / "go").touch()
    holding.get(timeout=20)
    for result in [tasks.sleep.delay(0.02) for _ in range(10)]:
        result.get(timeout=20)
    eventually(lambda: shown(tasks).frames is False)


def spent(pid: int) -> float:
    """Seconds that a process has had of a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spent_in_a_second(pid: int) -> float:
    before = spent(pid)
    time.sleep(1)
    return spent(pid) - before


@pytest.mark.parametrize("options", [("-c", "1"), ("--autoscale", "3,1")])
def test_nobody_spins_while_it_stops(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Eventually, options: tuple[str, ...]
) -> None:
    handle = worker("-A", tasks.__project__.file.name, *options)
    held(tasks, tmp_path, eventually)
    handle.process.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping" in handle.log.read_text())
    assert spent_in_a_second(handle.pid) < 0.3
    (tmp_path / "go").touch()
    assert handle.process.wait(20) == 0


@pytest.mark.parametrize("number", ["129", "-1", "many"])
def test_bad_numbers_are_refused(tasks: Any, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["worker", "-A", tasks.__project__.file.name, f"--prefetch={number}"])
    assert ended.value.code == 64
    assert f"'{number}' is not a whole number from 0 to 128" in capsys.readouterr().err
