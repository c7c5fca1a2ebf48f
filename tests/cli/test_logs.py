"""What tasks log is kept with their jobs: of each attempt the end, while it runs and after its process has died."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue

Cli = Callable[..., Any]
Eventually = Callable[..., None]

APP = """
import asyncio, logging, os, signal, sys, threading, time
from pyqueue import PyQueue
app = PyQueue("jobs.db")
log = logging.getLogger("shop")

def wait(name):
    while not os.path.exists(name): time.sleep(0.01)

@app.task
def say(text):
    log.info("said %s", text)

@app.task
async def say_on_the_loop(text):
    await asyncio.sleep(0.01)
    log.info("said %s", text)

@app.task
def quiet(): return 1

@app.task(bind=True, max_retries=1, default_retry_delay=0)
def again(self):
    log.warning("attempt %d", self.request.attempt)
    raise self.retry(exc=OSError("no"))

@app.task
def long(name):
    log.info("begun")
    wait(name)
    log.info("ended")

@app.task
def dies(name):
    log.info("before the end")
    wait(name)
    os._exit(3)

@app.task
def much(count, size):
    for each in range(count):
        log.info("%d %s", each, "x" * size)

@app.task(log_prints=True)
def prints():
    print("half ", end="")
    print("a line")
    print("an error", file=sys.stderr)
    sys.stdout.buffer.write(os.urandom(5_000) + b"\\n")
    print("no end", end="")

@app.task
def prints_unasked(): print("not kept")

@app.task
def strange():
    log.info("\\udcff \\x1b[2J %s", "half \\ud800")
    log.info("wrong %d", "text")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("it failed")

@app.task(log_prints=True)
def strange_prints():
    print("fine\\x00\\x07")
    sys.stdout.write("x" * 100_000)

@app.task(bind=True)
def back(self):
    log.info("given back")
    wait("first" if self.request.attempt == 1 and not os.path.exists("once") else "second")
    if not os.path.exists("once"):
        open("once", "w").close()
        from pyqueue.exceptions import Reject
        raise Reject(requeue=True)

@app.task(bind=True)
def transact(self):
    with self.transaction():
        log.info("inside")
    log.info("after")

@app.task
def leaky():
    kept = [open("/dev/null") for _ in range(200)]
    keep.append(kept)
    for _ in range(20):
        threading.Thread(target=wait, args=("never",), daemon=True).start()
    log.info("leaked")
    return len(os.listdir("/proc/self/fd"))
keep = []
"""


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    return PyQueue(tmp_path / "jobs.db")


def burst(cli: Cli, *arguments: str, **environment: str) -> Any:
    done = cli("worker", "--burst", "-c", "1", *arguments, **environment)
    assert done.returncode == 0, done
    return done


def shown(cli: Cli, id: str) -> list[dict[str, Any]]:
    done = cli("show", "--log", "--json", id)
    assert done.returncode == 0, done
    return json.loads(done.stdout)["log"]  # type: ignore[no-any-return]


def test_each_job_has_its_own_lines(cli: Cli, app: PyQueue) -> None:
    jobs = [app.send_task("app.say", (name,)) for name in ("one", "two")]
    silent = app.send_task("app.quiet")
    burst(cli)
    for job, name in zip(jobs, ("one", "two"), strict=True):
        (line,) = job.log()
        assert line.endswith(f" INFO shop: said {name}")
        assert cli("show", "--log", job.id).stdout == line + "\n"
    assert silent.log() == []
    assert cli("show", "--log", silent.id).stderr == "pyqueue: nothing that it logged is kept\n"
    assert cli("show", "--log", "no-such-id").returncode == 69


def test_control_arm_nothing_is_kept_where_it_is_switched_off(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.say", ("one",))
    burst(cli, PYQUEUE_LOG_BYTES="0")
    assert job.state == "SUCCESS"
    assert job.log() == []


def test_each_attempt_has_its_own_lines(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.again")
    burst(cli)
    assert [(each["attempt"], len(each["lines"])) for each in shown(cli, job.id)] == [(1, 1), (2, 1)]
    text = cli("show", "--log", job.id).stdout
    assert text.splitlines()[0] == "attempt 1"
    assert text.splitlines()[1].endswith("WARNING shop: attempt 1")
    assert job.forget()
    assert app.store.examine() == []


def test_lines_of_a_running_job(
    cli: Cli, app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    job = app.send_task("app.long", ("go",))
    worker("-c", "1")
    eventually(lambda: [line[-5:] for line in job.log()] == ["begun"])
    assert shown(cli, job.id)[0]["attempt"] is None
    assert job.state == "STARTED"
    (tmp_path / "go").touch()
    job.get(timeout=20)
    assert [line[-5:] for line in job.log()] == ["begun", "ended"]
    assert shown(cli, job.id)[0]["attempt"] == 1


def test_lines_of_a_child_that_died(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    job = app.send_task("app.dies", ("go",), max_losses=1)
    worker("-c", "1")
    eventually(lambda: len(job.log()) == 1)
    (tmp_path / "go").touch()
    eventually(job.ready)
    assert [each.outcome for each in job.attempts()] == ["lost"]
    assert job.log()[0].endswith("before the end")
    assert app.store.examine() == []


@pytest.mark.timeout(180)
def test_very_much_leaves_the_end_and_no_memory(cli: Cli, app: PyQueue, worker: Callable[..., Any]) -> None:
    """30 MB of messages, of which 64 KiB are kept; the child is no larger than after the first of them."""
    handle = worker("-c", "1", "-l", "info")
    app.send_task("app.much", (20, 100_000)).get(timeout=60)
    (child,) = handle.children()
    before = memory(child)
    job = app.send_task("app.much", (300, 100_000))
    job.get(timeout=150)
    assert handle.children() == [child]
    assert memory(child) < before + 10_000_000
    (only,) = shown(cli, job.id)
    kept = only["lines"]
    assert " INFO shop: 299 xxx" in kept[-1]
    assert kept[-1].endswith(" characters)")
    assert only["dropped"] + len(kept) == 300
    assert 50_000 < sum(map(len, kept)) <= 65_536
    assert f"{only['dropped']:,} lines before these are not kept" in cli("show", "--log", job.id).stderr


def memory(pid: int) -> int:
    """Bytes in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_many_short_lines_and_one_long_one(cli: Cli, app: PyQueue) -> None:
    many, long = app.send_task("app.much", (5_000, 1)), app.send_task("app.much", (1, 5_000_000))
    burst(cli)
    assert len(many.log()) == 1_000
    (line,) = long.log()
    assert len(line) < 9_000
    assert line.endswith(" characters)")


def test_what_is_printed_is_kept_where_a_task_asks_for_it(cli: Cli, app: PyQueue) -> None:
    """Bytes that are no text go where they went before, and do no harm."""
    job, other = app.send_task("app.prints"), app.send_task("app.prints_unasked")
    done = cli_bytes(app)
    assert job.state == other.state == "SUCCESS"
    assert job.log() == ["half a line", "an error", "no end"]
    assert other.log() == []
    assert b"half a line" in done
    assert b"not kept" in done
    assert len(done) > 5_000


def cli_bytes(app: PyQueue) -> bytes:
    import subprocess
    import sys

    program = [sys.executable, "-m", "pyqueue", "worker", "--burst", "-c", "1"]
    return subprocess.run(program, cwd=Path(app.path).parent, capture_output=True, check=True).stdout


def test_strange_text_is_kept_as_text(cli: Cli, app: PyQueue) -> None:
    job, prints = app.send_task("app.strange"), app.send_task("app.strange_prints")
    burst(cli)
    assert job.state == prints.state == "SUCCESS"
    text = "\n".join(job.log())
    assert "\\udcff" in text
    assert "half \\ud800" in text
    assert "wrong" not in text
    assert "ZeroDivisionError" in text
    out = cli("show", "--log", job.id).stdout
    assert "\x1b" not in out
    assert prints.log()[0] == "fine\x00\x07"
    assert sum(map(len, prints.log())) < 10_000
    assert app.store.examine() == []


def test_secrets_are_masked_where_they_are_shown(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.say", ("password=hunter2",))
    burst(cli)
    assert "hunter2" not in cli("show", "--log", job.id).stdout
    assert "hunter2" not in cli("show", "--log", "--json", job.id).stdout


@pytest.mark.parametrize("pool", ["threads", "asyncio"])
def test_side_by_side_no_line_is_anothers(cli: Cli, app: PyQueue, pool: str) -> None:
    task = "app.say" if pool == "threads" else "app.say_on_the_loop"
    jobs = {str(n): app.send_task(task, (str(n),)) for n in range(40)}
    done = cli("worker", "--burst", "-P", pool, "-c", "8")
    assert done.returncode == 0, done
    for name, job in jobs.items():
        (line,) = job.log()
        assert line.endswith(f"said {name}")


def test_lines_of_an_attempt_that_was_given_back_go_with_it(
    app: PyQueue, tmp_path: Path, worker: Callable[..., Any], eventually: Eventually
) -> None:
    job = app.send_task("app.back")
    worker("-c", "1")
    eventually(lambda: len(job.log()) == 1)
    (tmp_path / "first").touch()
    eventually((tmp_path / "once").exists)
    (tmp_path / "second").touch()
    job.get(timeout=20)
    assert len(job.log()) == 1
    assert app.store.examine() == []


def test_lines_of_a_job_that_its_own_transaction_ended(cli: Cli, app: PyQueue) -> None:
    job = app.send_task("app.transact")
    burst(cli)
    assert [line.split()[-1] for line in job.log()] == ["inside", "after"]


def test_a_task_that_leaks_descriptors_and_threads_keeps_its_lines(
    app: PyQueue, worker: Callable[..., Any]
) -> None:
    handle = worker("-c", "1")
    before = descriptors(handle.pid)
    jobs = [app.send_task("app.leaky") for _ in range(4)]
    assert jobs[-1].get(timeout=30) > 800
    assert [len(job.log()) for job in jobs] == [1, 1, 1, 1]
    assert descriptors(handle.pid) == before


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
