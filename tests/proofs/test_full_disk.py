"""Full disks, quotas and limits raise, leave nothing half-done, let outcomes through, and need no restart."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import small_disk
from processes import Started, until, write_app

from pyqueue import PyQueue
from pyqueue._core import NewJob, Outcome, Store
from pyqueue.exceptions import DiskFull

FOLDER = Path(__file__).parent


def run(program: Path, *arguments: str, within: float) -> dict[str, Any]:
    """What a program that mounts a disk of its own says; skips where this user may not mount."""
    ended = subprocess.run(
        [sys.executable, str(program), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=within,
    )
    if ended.returncode == small_disk.NOT_ALLOWED:
        pytest.skip(f"no disk can be mounted here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


@pytest.mark.parametrize(
    "cycles",
    [
        pytest.param(3, marks=pytest.mark.timeout(200)),
        pytest.param(400, marks=[pytest.mark.slow, pytest.mark.timeout(2000)]),
    ],
)
def test_a_full_disk_refuses_new_jobs_and_lets_outcomes_through(tmp_path: Path, cycles: int) -> None:
    report = run(FOLDER / "full_disk_cycles.py", str(tmp_path), str(cycles), within=5 * cycles)
    assert report["found"] == []
    assert report["errors"] == []
    assert report["refused"] >= cycles
    assert report["taken"] >= cycles


def test_control_without_what_was_set_aside_outcomes_do_not_get_through(tmp_path: Path) -> None:
    report = run(FOLDER / "full_disk_cycles.py", str(tmp_path), "1", "no-reserve", within=60)
    assert report["found"] == ["an outcome did not get through on the full disk"]


def test_on_a_full_disk_a_worker_starts_and_works_off_what_is_there(tmp_path: Path) -> None:
    report = run(FOLDER / "full_disk_start.py", str(tmp_path), within=50)
    assert report == {"done": True, "refused": True, "taken": True, "left": 0, "integrity": "ok"}


def test_without_what_was_set_aside_it_says_in_a_sentence_why_it_can_not(tmp_path: Path) -> None:
    report = run(FOLDER / "full_disk_start.py", str(tmp_path), "no-reserve", within=50)
    assert report["code"] != 0
    assert "disk (or the size limit of the database) is full" in report["said"]
    assert "Traceback" not in report["said"]


LIMITED = """
import json, signal, sys
from pyqueue import PyQueue
from pyqueue.exceptions import DiskFull
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as in a program that embeds Python without its signal handlers
app = PyQueue(sys.argv[1], durability="normal")
taken, refused = 0, 0
while refused < 50:
    try:
        app.enqueue_many([app.signature("app.quick", args=(taken, "x" * 5_000)) for _ in range(10)])
        taken += 10
    except DiskFull:
        refused += 1
print(json.dumps([taken, app.store.queues()[0].waiting]))
"""

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")

@app.task
def quick(n, ballast=""): return n
"""


@pytest.mark.parametrize("limit", [3_000_000, 20_000_000])
def test_a_limit_for_files_refuses_new_jobs_kills_nobody_and_lets_outcomes_through(
    tmp_path: Path, limit: int
) -> None:
    write_app(tmp_path, APP)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, "jobs.db"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        preexec_fn=limited,
        timeout=30,
    )
    assert ended.returncode == 0, ended
    taken, waiting = json.loads(ended.stdout)
    assert taken == waiting > 0
    worked = subprocess.run(
        [sys.executable, "-m", "pyqueue", "worker", "-A", "app.py", "-c", "2", "--burst"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        preexec_fn=limited,
        timeout=50,
    )
    assert worked.returncode == 0, worked
    app = PyQueue(tmp_path / "jobs.db")
    assert app.store.queues()[0].succeeded == taken
    assert sound(tmp_path / "jobs.db")


def test_control_a_write_beyond_the_limit_for_files_kills_who_does_not_see_to_it(tmp_path: Path) -> None:
    program = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('f', 'wb').write(bytes(2000))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        timeout=20,
    )
    assert ended.returncode == -signal.SIGXFSZ


def sound(db: Path) -> bool:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_beyond_its_bound_the_file_takes_no_new_jobs_until_some_are_worked_off(tmp_path: Path) -> None:
    bound = 1_000_000
    app = PyQueue(tmp_path / "jobs.db", durability="normal", max_db_bytes=bound)
    batch = [app.signature("a", args=("x" * 1_000,)) for _ in range(100)]
    taken = 0
    with contextlib.suppress(DiskFull):
        while taken < 2_000:
            app.enqueue_many(batch)
            taken += len(batch)
    with pytest.raises(DiskFull, match="its limit is 1000000"):
        app.enqueue_many(batch)
    store = app.store
    assert store.queues()[0].waiting == taken
    worker = store.join("w", 1, 60_000_000)
    done = 0
    while jobs := store.claim(worker, 50):
        store.finish([(job, Outcome.success(b"1")) for job in jobs])
        done += len(jobs)
    assert done == taken
    app.enqueue_many(batch)
    store.close()
    # Outcomes are let in above the bound.
    assert (tmp_path / "jobs.db").stat().st_size < bound + 200_000
    assert sound(tmp_path / "jobs.db")


def test_control_without_a_bound_the_same_jobs_are_taken_in(tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    app.enqueue_many([app.signature("a", args=("x" * 1_000,)) for _ in range(2_000)])
    assert app.store.queues()[0].waiting == 2_000


REFUSED = """
import json, sys
from pyqueue import PyQueue
app = PyQueue(sys.argv[1], durability="normal")
stored, said = 0, set()
for _ in range(40):
    try:
        app.enqueue_many([app.signature("a") for _ in range(50)])
        stored += 50
    except Exception as error:
        said.add(f"{type(error).__name__}: {error}")
print(json.dumps([stored, app.store.queues()[0].waiting, sorted(said)]))
"""


@pytest.mark.parametrize(
    ("error", "raises", "reason"),
    [
        ("ENOSPC", "DiskFull", "full"),
        ("EDQUOT", "DiskFull", "quota"),
        ("EROFS", "DatabaseIOError", "Read-only file system"),
        ("EIO", "DatabaseIOError", "Input/output error"),
    ],
)
def test_what_the_system_refuses_is_told_and_over_when_it_is_over(
    tmp_path: Path, error: str, raises: str, reason: str
) -> None:
    db = tmp_path / "jobs.db"
    inject = f"inject=pwrite64:error={error}:when=200..210"
    traced = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-P", f"{db}-wal", "-e", "trace=pwrite64"]
    ended = subprocess.run(
        [*traced, "-e", inject, sys.executable, "-c", REFUSED, str(db)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended
    stored, waiting, said = json.loads(ended.stdout)
    assert stored == waiting
    assert 0 < stored < 2_000
    [sentence] = said
    assert sentence.startswith(raises)
    assert reason in sentence
    assert "INJECTED" in (tmp_path / "trace").read_text()
    # It ended by storing again, in the same process.
    assert "INJECTED" not in (tmp_path / "trace").read_text().splitlines()[-1]
    assert sound(db)


def test_a_batch_that_is_larger_than_the_disk_is_stored_wholly_or_not_at_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "jobs.db"), durability="normal", max_db_bytes=3_000_000)
    small, large = ([NewJob("a", bytes(size)) for _ in range(1_000)] for size in (1_000, 10_000))
    store.enqueue(small)
    before = store.queues()[0].waiting
    with pytest.raises(DiskFull):
        store.enqueue(large)
    assert store.queues()[0].waiting == before == 1_000
    assert len(store.jobs(limit=5_000)) == 1_000


def test_a_disk_in_use_can_not_be_made_read_only_and_one_that_is_gets_a_sentence(tmp_path: Path) -> None:
    report = run(FOLDER / "read_only_disk.py", str(tmp_path), within=30)
    assert report["busy"] is True
    assert report["refused"].startswith("FileRefused")
    assert report["stored"] == 1


def test_what_is_set_aside_is_made_anew_by_whoever_finds_room(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    reserve = tmp_path / "jobs.db-pyqueue" / "reserve"
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    with Started(tmp_path, "-m", "pyqueue", "worker", "-A", "app.py", "-c", "1", name="worker") as worker:
        worker.wait_said(" ready: ")
        assert reserve.stat().st_blocks * 512 >= reserve.stat().st_size >= 4 << 20
        assert reserve.stat().st_mode & 0o777 == 0o600
        reserve.unlink()
        # The worker's upkeep follows new outcomes.
        until(lambda: app.send_task("app.quick", (1,)).get(timeout=10) == 1 and reserve.exists())
