"""What the worker says of itself, and how it is told to run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue.cli.celerys import FLAGS, WORDS
from pyqueue.cli.main import main

SOURCE = """
import logging, os, time
from pyqueue import PyQueue
app = PyQueue("jobs.db")
log = logging.getLogger("mine")

@app.task
def say(text):
    log.warning("hello %s", text)
    return os.getpid()

@app.task
def die(): os.kill(os.getpid(), 9)

@app.task
def hold(path):
    open(path, "w").close()
    time.sleep(60)
"""
Worker = Callable[..., Any]


def test_the_banner_says_what_where_and_how_many(tasks: Any, worker: Worker, tmp_path: Path) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "2", "-Q", "default,mail", "--grace", "7")
    said = handle.log.read_text()
    assert said.startswith("pyqueue 0.")
    assert f"file      {tmp_path}/jobs.db, durability full\n" in said
    assert "queues    default, mail\n" in said
    assert "children  2 (prefork), 7 s to finish when stopped\n" in said
    assert f"tasks     {tasks.die.name}, {tasks.hold.name}, {tasks.say.name}\n" in said


def test_lines_of_a_task_name_its_job(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1")
    result = tasks.say.delay("you")
    result.get(timeout=10)
    line = next(line for line in handle.log.read_text().splitlines() if "hello you" in line)
    assert line.endswith(f"mine: hello you (job {result.id}, task {tasks.say.name})")


def test_json_logs_are_one_object_a_line(tasks: Any, worker: Worker, eventually: Callable[..., None]) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--json-logs", ready=False)
    result, lost = tasks.say.delay("you"), tasks.die.apply_async(max_losses=1)
    result.get(timeout=20)
    lost.get(timeout=20, propagate=False)
    eventually(lambda: '"job_lost"' in handle.log.read_text())
    handle.stop()
    lines = [json.loads(line) for line in handle.log.read_text().splitlines()]
    by_event = {line["event"]: line for line in lines if "event" in line}
    assert by_event["starting"]["children"] == 1
    assert by_event["starting"]["tasks"] == sorted([tasks.die.name, tasks.hold.name, tasks.say.name])
    assert "ready" in by_event
    assert (by_event["job_lost"]["job"], by_event["job_lost"]["task"]) == (lost.id, tasks.die.name)
    [own] = [line for line in lines if line["logger"] == "mine"]
    assert (own["job"], own["task"], own["message"], own["level"]) == (
        result.id,
        tasks.say.name,
        "hello you",
        "warning",
    )
    assert handle.process.stdout.read() == b""


def test_the_grace_time_ends_what_does_not_end(
    tasks: Any, worker: Worker, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "--grace", "200ms")
    result = tasks.hold.delay(str(tmp_path / "mark"))
    eventually((tmp_path / "mark").exists)
    begun = time.monotonic()
    handle.stop(signal.SIGTERM)
    assert time.monotonic() - begun < 10
    assert result.state in ("PENDING", "RETRY")


def test_solo_is_one_child(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-P", "solo", "-c", "4")
    assert len(handle.children()) == 1
    assert tasks.say.delay("x").get(timeout=10) in handle.children()


def test_threads_are_of_one_child_and_everything_says_so(
    tasks: Any, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-P", "threads", "-c", "3")
    assert "children  1 with 3 threads (threads), 25 s" in handle.log.read_text()
    assert b"1 child with 3 threads" in handle.said
    assert main(["status", "--db", "jobs.db", "--json"]) == 0
    [shown] = json.loads(capsys.readouterr().out)["workers"]
    assert (shown["slots"], shown["children"]) == (3, len(handle.children())) == (3, 1)
    assert main(["report", "--db", "jobs.db", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["workers_alive"], counts["slots"], counts["children"]) == (1, 3, 1)


def test_too_many_threads_are_refused(tasks: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "-A", tasks.__project__.file.name, "-P", "threads", "-c", "4097"]) == 64
    assert "between 1 and 4096 jobs at once" in capsys.readouterr().err


def test_an_embedded_worker_and_the_settings_know_threads(
    tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYQUEUE_POOL", "threads")
    with tasks.app.worker(concurrency=2):
        [one] = tasks.app.store.workers()
        assert (one.slots, one.children) == (2, 1)
        assert tasks.say.delay("x").get(timeout=10)
    with tasks.app.worker(pool="prefork", concurrency=2):
        [one] = tasks.app.store.workers()
        assert (one.slots, one.children) == (2, 2)


def test_other_pools_are_refused_with_what_to_use(tasks: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "-A", tasks.__project__.file.name, "-P", "gevent"]) == 64
    said = capsys.readouterr().err
    assert "there is no pool 'gevent'" in said
    assert "use asyncio, or threads with a larger -c" in said


def test_one_name_twice_is_two_workers(tasks: Any, worker: Worker) -> None:
    for _ in range(2):
        worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "same")
    assert [each.name for each in tasks.app.store.workers() if each.alive] == ["same", "same"]
    assert tasks.say.delay("x").get(timeout=10)


def test_flags_of_celery_are_accepted_with_a_notice(tasks: Any, worker: Worker) -> None:
    handle = worker(
        "-A", tasks.__project__.file.name, "-c", "1", "-E", "--without-gossip", "-l", "INFO", "-O", "fair"
    )
    said = handle.log.read_text()
    assert "-O has no effect: a job never waits behind a busy child" in said
    assert "-E has no effect" in said
    assert "--without-gossip has no effect" in said


@pytest.mark.parametrize("flag", ["--uid=0", "--pidfile=x", "-D", "-X"])
def test_flags_that_would_be_missed_are_refused_with_what_to_use(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = flag.partition("=")[0]
    with pytest.raises(SystemExit) as ended:
        main(["worker", flag])
    assert ended.value.code == 64
    said = capsys.readouterr().err
    assert f"there is no {name}" in said
    assert next(instead for flags, instead in FLAGS.items() if name in flags.split()) in said


@pytest.mark.parametrize("word", ["-A", "multi", "flower"])
def test_words_of_celery_say_what_to_use(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word, "proj", "worker"]) == 64
    assert capsys.readouterr().err == f"pyqueue: there is no {word!r} here: {WORDS[word]}\n"


def test_the_banner_names_the_settings_that_are_missed(tasks: Any, worker: Worker) -> None:
    file = tasks.__project__.file
    file.write_text(file.read_text() + "\napp.conf.update(task_annotations={}, result_persistent=True)\n")
    said = worker("-A", file.name, "-c", "1").log.read_text()
    assert "without effect so far: task_annotations; see pyqueue config" in said


def test_the_worker_sends_its_signals(project: Callable[[str], Any], worker: Worker) -> None:
    made = project(
        SOURCE
        + """
from pyqueue import signals
def tell(name):
    return lambda **told: print(name, told.get("sig") or told.get("loglevel") or "", flush=True)
for name in ("worker_init", "worker_ready", "worker_shutting_down", "worker_shutdown", "setup_logging"):
    getattr(signals, name).connect(tell(name))
"""
    )
    handle = worker("-A", made.file.name, "-c", "1")
    # The whole line: a signal in the middle of a print would be told in the middle of it.
    handle.wait_said(b"worker_ready \n")
    assert handle.stop() == 0
    said = (handle.said + handle.process.stdout.read()).decode()
    told = [line.strip() for line in said.splitlines() if "ready:" not in line]
    assert told[:2] == ["worker_init", "setup_logging info"]
    assert told[-3:] == ["worker_ready", "worker_shutting_down SIGTERM", "worker_shutdown"]


def test_the_worker_follows_the_config(
    tasks: Any, worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYQUEUE_QUEUES", "mail")
    monkeypatch.setenv("PYQUEUE_CONCURRENCY", "1")
    handle = worker("-A", tasks.__project__.file.name)
    assert b"queues mail, 1 child" in handle.said
    assert len(handle.children()) == 1
    assert (tmp_path / "jobs.db").exists()
