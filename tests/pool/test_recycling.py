"""Children are replaced between jobs, and killed only past the hard limit; what attempts use is recorded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pyqueue.cli.main import main
from pyqueue.exceptions import MemoryLimitExceeded

SOURCE = """
import os, subprocess, sys, threading, time
from pyqueue import PyQueue

app = PyQueue("jobs.db")
kept = []

@app.task
def pid(): return os.getpid()

@app.task
def leak(mb):
    kept.append(bytearray(mb << 20))
    return os.getpid()

@app.task
def borrow(mb):
    bytearray(mb << 20)
    return os.getpid()

@app.task
def swell(mb, path):
    for _ in range(mb // 8):
        kept.append(bytearray(8 << 20))
        time.sleep(0.004)
    return os.getpid()

@app.task
def swallow(mb): return len(b"x" * (mb << 20))

@app.task
def hold(path):
    open(path + ".started", "w").close()
    while not os.path.exists(path): time.sleep(0.005)

@app.task
def linger(): threading.Thread(target=time.sleep, args=(60,)).start()

@app.task
def spend(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass

@app.task
def sleep(seconds): time.sleep(seconds)

@app.task
def program(seconds):
    code = f"import time\\nend = time.process_time() + {seconds}\\nwhile time.process_time() < end: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
"""
Worker = Callable[..., Any]
Refused = Callable[[list[str]], str]
Eventually = Callable[..., None]


def values(results: list[Any]) -> list[Any]:
    return [result.get(timeout=60) for result in results]


def test_a_child_runs_so_many_jobs_and_no_more(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "2", "--max-tasks-per-child", "20")
    ran = Counter(values([tasks.pid.delay() for _ in range(200)]))
    assert max(ran.values()) == 20
    assert len(ran) >= 10
    assert "is replaced: it has run 20 jobs" in handle.log.read_text()
    assert "child_lost" not in handle.log.read_text()


def test_control_a_child_without_a_bound_runs_them_all(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    assert list(Counter(values([tasks.pid.delay() for _ in range(200)])).values()) == [200]


def test_the_setting_of_celery_does_the_same(tasks: Any, worker: Worker) -> None:
    file = tasks.__project__.file
    file.write_text(file.read_text() + "\napp.conf.worker_max_tasks_per_child = 1\n")
    handle = worker("-A", file.name, "-c", "1")
    assert len(set(values([tasks.pid.delay() for _ in range(5)]))) == 5
    assert "without effect" not in handle.log.read_text()


def test_a_child_that_has_grown_is_replaced_and_no_job_is_lost(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--max-memory-per-child", "150M")
    results = [tasks.leak.delay(50) for _ in range(9)]
    ran = Counter(values(results))
    assert 3 <= len(ran) <= 5, "each holds two or three of them"
    assert [len(result.attempts()) for result in results] == [1] * 9
    assert "more than 150 MiB" in handle.log.read_text()


def test_control_without_a_bound_a_child_grows(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "--max-memory-per-child", "0")
    assert len(set(values([tasks.leak.delay(50) for _ in range(9)]))) == 1


def test_a_leak_of_jobs_too_short_to_be_measured_is_seen(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--max-memory-per-child", "100M")
    # bytearray() of this size is memory nobody has touched: 0.1 ms, and what the kernel counts comes with the zeros.
    while "is replaced" not in handle.log.read_text():
        values([tasks.leak.delay(1) for _ in range(20)])


def test_what_a_job_had_for_itself_replaces_nobody(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--max-memory-per-child", "100M")
    results = [tasks.borrow.delay(300) for _ in range(5)]
    assert len(set(values(results))) == 1
    assert "is replaced" not in handle.log.read_text()
    assert results[0].attempts()[0].memory > 300 << 20


def test_a_child_that_begins_beyond_its_bound_is_told_of_once(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "2", "--max-memory-per-child", "1000")
    # One after the other: of jobs that are there together a child may begin several before it is told to go.
    assert len({tasks.pid.delay().get(timeout=20) for _ in range(4)}) >= 3
    assert handle.log.read_text().count("before its first job, more than max_memory_per_child, 0 MiB") == 1


def test_past_the_hard_limit_only_that_job_fails(tasks: Any, worker: Worker, tmp_path: Any) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--memory-limit", "200M")
    swollen, after = tasks.swell.delay(4000, ""), [tasks.pid.delay() for _ in range(3)]
    with pytest.raises(MemoryLimitExceeded, match="more than its limit of 200 MiB, and was killed"):
        swollen.get(timeout=30)
    assert len(values(after)) == 3
    [attempt] = swollen.attempts()
    assert (attempt.outcome, attempt.cpu_us) == ("failure", None)
    # Near its limit it is looked at every 10 ms.
    assert 200 << 20 < attempt.memory < 260 << 20
    assert [len(result.attempts()) for result in after] == [1] * 3
    assert "is killed: it has" in handle.log.read_text()


def test_memory_taken_at_once_is_seen_in_time(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "--memory-limit", "200M")
    swallowed = tasks.swallow.delay(4000)
    with pytest.raises(MemoryLimitExceeded):
        swallowed.get(timeout=30)
    # One call in C that holds the interpreter's lock: nothing but a kill ends it.
    assert swallowed.attempts()[0].memory < 2000 << 20


def test_control_without_the_hard_limit_it_succeeds(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1", "--memory-limit", "0")
    assert tasks.swell.delay(400, "").get(timeout=30) > 0


def test_of_several_at_once_nobody_knows_which(tasks: Any, worker: Worker, tmp_path: Any) -> None:
    file = tasks.__project__.file.name
    worker("-A", file, "-P", "threads", "-c", "2", "--memory-limit", "300M")
    path = str(tmp_path / "go")
    beside = tasks.hold.delay(path)
    swollen = tasks.swell.apply_async((4000, ""), max_losses=2)
    swollen.get(timeout=60, propagate=False)
    assert [each.outcome for each in swollen.attempts()] == ["lost", "lost"]
    (tmp_path / "go").touch()
    beside.get(timeout=30)


@pytest.mark.slow
def test_a_child_that_does_not_go_is_killed(tasks: Any, worker: Worker, eventually: Eventually) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--max-tasks-per-child", "1")
    tasks.linger.delay().get(timeout=10)
    assert tasks.pid.delay().get(timeout=30) in handle.children()
    assert "it has no jobs and does not end" in handle.log.read_text()


def test_what_an_attempt_used_is_recorded(
    tasks: Any, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    results = {
        "spend": tasks.spend.delay(0.2),
        "sleep": tasks.sleep.delay(0.2),
        "program": tasks.program.delay(0.2),
    }
    values(list(results.values()))
    used = {name: result.attempts()[0] for name, result in results.items()}
    # On a busy machine some of them take 1 ms.
    short = [tasks.pid.delay() for _ in range(50)]
    values(short)
    assert any((each.cpu_us, each.memory) == (None, None) for one in short for each in one.attempts())
    assert 200_000 <= used["spend"].cpu_us < 300_000
    assert used["sleep"].cpu_us < 100_000
    assert used["program"].cpu_us >= 200_000, "programs that it has waited for count"
    assert used["spend"].memory > 5 << 20
    assert main(["show", results["spend"].id, "--db", "jobs.db"]) == 0
    header, line = capsys.readouterr().out.splitlines()[-2:]
    assert header.split()[-3:-1] == ["cpu", "memory"]
    assert line.split()[-1] == "MiB"
    assert main(["show", results["spend"].id, "--db", "jobs.db", "--json"]) == 0
    [shown] = json.loads(capsys.readouterr().out)["history"]
    assert (shown["cpu"], shown["memory"]) == (used["spend"].cpu_us / 1e6, used["spend"].memory)


def test_threads_know_their_own_time(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-P", "threads", "-c", "2")
    spent, slept = tasks.spend.delay(0.2), tasks.sleep.delay(0.2)
    values([spent, slept])
    assert slept.attempts()[0].cpu_us < 50_000 < spent.attempts()[0].cpu_us


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-tasks-per-child", "0"], "'0' is no whole number from 1"),
        (["--max-memory-per-child", "lots"], "'lots' is not a number of KiB or a size such as '512M'"),
        (["--memory-limit", "-1"], "argument --memory-limit: "),
        (
            ["--max-memory-per-child", "2G", "--memory-limit", "1G"],
            "max_memory_per_child must not be above memory_limit",
        ),
    ],
)
def test_bad_bounds_are_refused(refused: Refused, options: list[str], said: str) -> None:
    assert said in refused(options)
