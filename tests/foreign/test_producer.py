"""Producers with real processes: duplicates, reorders, zombies, restarts, forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import DuplicateJob, InvalidJob, OutOfSequence, ProducerFenced

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def take(line): pass
"""
READS = """
import os, sys
from pathlib import Path
from app import app, take
lines, deaths, careful = Path("lines").read_text().split(), int(sys.argv[1]), sys.argv[2] == "careful"
mark = Path("position")
producer = app.producer("reader") if careful else None
start = (producer.position or 0) if careful else int(mark.read_text()) if mark.exists() else 0
for at in range(start, len(lines), 3):
    if careful:
        producer.send_many([take.s(line) for line in lines[at:at + 3]], position=at + 3)
    else:
        app.enqueue_many([take.s(line) for line in lines[at:at + 3]])
    deaths -= 1
    if deaths == 0:
        os.kill(os.getpid(), 9)
    mark.write_text(str(at + 3))
"""
LINES, DEATHS = 60, 6


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "reader.py").write_text(READS)
    (tmp_path / "lines").write_text("\n".join(f"line-{number}" for number in range(LINES)))
    return PyQueue(tmp_path / "jobs.db")


def take(app: PyQueue, line: str = "x", **options: Any) -> Any:
    return app.signature("app.take", [line], **options)


def stored(app: PyQueue) -> int:
    return len(app.store.jobs(limit=10_000))


def read_all(folder: Path, how: str) -> int:
    """Reads the lines to the end, with a death after each second batch; how many readers were killed."""
    killed = 0
    while True:
        dies = 2 if killed < DEATHS else 0
        code = subprocess.run(
            [sys.executable, "reader.py", str(dies), how], cwd=folder, check=False
        ).returncode
        if code == 0:
            return killed
        assert code == -signal.SIGKILL
        killed += 1


def taken(app: PyQueue) -> Counter[str]:
    bodies = [app.store.show(job.id) for job in app.store.jobs(limit=10_000)]
    assert all(job is not None and job.body is not None for job in bodies)
    return Counter(part for job in bodies for part in str(job.body).split('"') if part.startswith("line-"))  # type: ignore[union-attr]


def test_a_reader_that_is_killed_again_and_again_sends_each_line_once(app: PyQueue, tmp_path: Path) -> None:
    assert read_all(tmp_path, "careful") == DEATHS
    counts = taken(app)
    assert (len(counts), set(counts.values())) == (LINES, {1})
    producer = app.producer("reader")
    assert (producer.sequence, producer.position) == (LINES, LINES)


def test_without_a_producer_the_same_reader_sends_lines_twice(app: PyQueue, tmp_path: Path) -> None:
    assert read_all(tmp_path, "careless") == DEATHS
    assert max(taken(app).values()) > 1


def test_duplicates_reorders_and_gaps(app: PyQueue) -> None:
    producer = app.producer("in")
    first = producer.send(take(app, "a"), 1, position="a")
    second = producer.send(take(app, "b"))
    for number, id in ((1, first.id), (2, second.id), (1, first.id)):
        again = producer.send(take(app, "z"), number, position="z")
        assert (again.id, again.created) == (id, False)
    with pytest.raises(OutOfSequence, match="number 3 is next"):
        producer.send(take(app, "d"), 4)
    both = producer.send_many([take(app, "b"), take(app, "c")], 2, position=b"\x00c")
    assert [each.created for each in both] == [False, True]
    assert (producer.sequence, producer.position, stored(app)) == (3, b"\x00c", 3)


def test_a_restart_goes_on_where_the_last_one_was(app: PyQueue, tmp_path: Path) -> None:
    with app.producer("in") as producer:
        ids = [producer.send(take(app), position=at).id for at in range(3)]
    with pytest.raises(ProducerFenced, match="closed"):
        producer.send(take(app))
    again = PyQueue(tmp_path / "jobs.db").producer("in")
    assert (again.sequence, again.position) == (3, 2)
    assert [again.send(take(app), number).id for number in (1, 2, 3)] == ids
    other = PyQueue(tmp_path / "other.db").producer("in").send(take(app))
    assert other.id not in ids, "the ids of another file are others"
    assert app.AsyncResult(other.id).state == "UNKNOWN"


def test_a_zombie_is_fenced_and_stores_nothing(app: PyQueue, tmp_path: Path) -> None:
    script = """
from app import app, take
producer = app.producer("in")
producer.send(take.s("first"))
print("sent", flush=True)
input()
try:
    producer.send(take.s("second"))
except Exception as error:
    print(type(error).__name__, error, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as zombie:
        assert zombie.stdout is not None
        assert zombie.stdout.readline() == "sent\n"
        heir = app.producer("in")
        assert heir.sequence == 1
        heir.send(take(app, "of the heir"))
        said, _ = zombie.communicate("go\n", timeout=20)
    assert said.startswith("ProducerFenced")
    assert (heir.sequence, stored(app)) == (2, 2)


def test_a_producer_used_by_a_process_that_was_forked_off(app: PyQueue) -> None:
    producer = app.producer("in")
    producer.send(take(app))
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            producer.send(take(app))
        except ProducerFenced as error:
            os.write(writes, str(error).encode())
        finally:
            os._exit(0)
    os.close(writes)
    os.waitpid(pid, 0)
    said = os.read(reads, 4096).decode()
    os.close(reads)
    assert "forked off" in said
    assert "nothing was stored" in said
    assert producer.send(take(app)).created
    assert stored(app) == 2


def test_threads_share_one(app: PyQueue) -> None:
    producer, made = app.producer("in"), []

    def send() -> None:
        made.extend(producer.send(take(app)) for _ in range(50))

    threads = [threading.Thread(target=send) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(each.created for each in made)
    assert (len({each.id for each in made}), producer.sequence, stored(app)) == (200, 200, 200)


def test_a_send_of_which_nobody_knows_what_became_is_looked_up(app: PyQueue) -> None:
    producer = app.producer("in")
    for number, happened in ((1, True), (2, False)):
        # As if the answer of a commit had been lost, or its request.
        if happened:
            app.store.send("in", producer._epoch, number, [app.job_of(take(app))])
        producer._doubt = (number, f"p{number}")
        assert (producer.sequence, producer.position) == (1, "p1")
    producer._doubt = (2, "p2")
    assert producer.send(take(app)).created, "the next message is not taken for a repetition"
    assert (producer.sequence, stored(app)) == (2, 2)


def test_a_batch_that_is_refused_stores_nothing(app: PyQueue) -> None:
    producer = app.producer("in")
    app.send(take(app, dedup_key="k"))
    with pytest.raises(DuplicateJob):
        producer.send_many([take(app), take(app, dedup_key="k", dedup="refuse")], position=7)
    assert (producer.sequence, producer.position, stored(app)) == (0, None, 1)
    assert producer.send(take(app)).created


def test_in_place_what_is_sent_runs_once(app: PyQueue) -> None:
    ran = []

    @app.task
    def run(x: int) -> int:
        ran.append(x)
        return x

    with app.testing():
        producer = app.producer("in")
        assert producer.send(run.s(1)).get() == 1
        assert producer.send(run.s(1), 1).get() == 1
    assert ran == [1]


def test_misuse_is_refused(app: PyQueue) -> None:
    producer = app.producer("in")
    for number in (0, -1, 2**63, True, "1"):
        with pytest.raises(InvalidJob, match="sequence number"):
            producer.send(take(app), number)  # type: ignore[arg-type]
    for position in (True, 1.5, {"a": 1}):
        with pytest.raises(InvalidJob, match="position is"):
            producer.send(take(app), position=position)  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match="leave task_id out"):
        producer.send(take(app, task_id="own"))
    with pytest.raises(InvalidJob, match="sends signatures"):
        producer.send("app.take")  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match="with a message"):
        producer.send_many([], position=1)
    assert producer.send_many([]) == []
    with pytest.raises(InvalidJob, match="producer's name"):
        app.producer("")
    assert (producer.sequence, stored(app)) == (0, 0)
