from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue.demo.progress import Progress, bar, clock, line
from pyqueue.demo.reading import TextCounts, read
from pyqueue.demo.tree import chunked, sum_line, walk

FILES = 400

STRANGE = [
    b"new\nline",
    b"back\\slash",
    b"\xff\xfe undecodable",
    b" space ",
    b"*star",
    b"carriage\r",
    b"-dash",
    "ü €".encode(),
    b"\\lead",
    b"data:x,y",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with strange names, links, a pipe, and enough files for two kills."""
    root = tmp_path / "tree"
    (root / "sub" / "deep").mkdir(parents=True)
    for number in range(FILES):
        (root / "sub" / f"{number:04}.txt").write_text("some words\n" * number * 20)
    for name in STRANGE:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)
    (root / "sub" / "deep" / "empty").touch()
    (root / "link").symlink_to("sub/0001.txt")
    (root / "folder").symlink_to("sub")
    os.mkfifo(root / "pipe")
    return root


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", "demo", "catalog", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_every_file_once_although_a_child_and_a_worker_are_killed(tmp_path: Path, tree: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = demo(here, str(tree))
    assert done.returncode == 0, done
    total = FILES + len(STRANGE) + 1
    sums = (here / "SHA256SUMS").read_bytes()
    assert sums.count(b"\n") == total
    checked = subprocess.run(
        ["sha256sum", "--quiet", "--strict", "-c", str(here / "SHA256SUMS")], cwd=tree, check=False
    )
    assert checked.returncode == 0
    assert done.stdout.count("SIGKILL") == 2
    app = PyQueue(here / "catalog.db", embed=True)
    with closing(sqlite3.connect(here / "catalog.db")) as connection:
        killed = [row[0] for row in connection.execute("SELECT DISTINCT job FROM running")]
        assert killed == []
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT job), min(attempt) FROM catalog"
        ).fetchone()
        jobs = connection.execute("SELECT DISTINCT job FROM catalog").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert rows[0] == total
    lost = [
        job for (job,) in jobs if "lost" in [attempt.outcome for attempt in app.AsyncResult(job).attempts()]
    ]
    assert len(lost) >= 2
    for shown in (text for text in done.stdout.splitlines() if text.startswith("job ")):
        assert "lost" in shown
        assert shown.split()[1].rstrip(":") in lost


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_worker(tmp_path: Path, tree: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pyqueue", "demo", "catalog", str(tree)], cwd=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while b"SIGKILL" not in (said := process.stdout.readline()):
            assert said
        process.send_signal(number)
        process.stdout.read()
        # With the jobs all done before the signal came, the run may have ended well.
        assert process.wait(20) in (130, 0)
    workers = PyQueue(tmp_path / "catalog.db", embed=True).store.workers()
    assert not any(worker.alive for worker in workers)


def test_an_older_file_is_not_touched_without_force(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "catalog.db").write_text("mine")
    for arguments in ((str(tree),), (str(tree), "--force")):
        done = demo(tmp_path, *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (64, 1)
        assert (tmp_path / "catalog.db").read_text() == "mine"


def test_a_tree_that_holds_the_queue_file_leaves_it_out(tmp_path: Path, tree: Path) -> None:
    first = demo(tree, ".", "--db", "jobs.db")
    assert first.returncode == 0, first
    second = demo(tree, ".", "--db", "jobs.db", "--force")
    assert second.returncode == 0, second
    assert (tree / "SHA256SUMS").read_bytes().count(b"\n") == FILES + len(STRANGE) + 1


def test_a_file_that_can_not_be_read_is_retried_and_then_recorded(
    tmp_path: Path, tree: Path, worker: Callable[..., object]
) -> None:
    from pyqueue.demo.catalog import SCHEMA, connect

    (tmp_path / "catalog.db").touch()
    app = PyQueue(tmp_path / "catalog.db", embed=True)
    result = app.send_task(
        "pyqueue.demo.catalog.catalog_files", (str(tree), ["sub/0001.txt", "gone", "link", "pipe", "sub"])
    )
    with closing(connect(app.path)) as connection:
        connection.executescript(SCHEMA)
        worker("-A", "pyqueue.demo.catalog:app", "--db", app.path, "-c", "1")
        result.get(timeout=20)
        rows = dict(connection.execute("SELECT path, error FROM catalog"))
        attempts = {row[0] for row in connection.execute("SELECT attempt FROM catalog")}
    assert result.state == "SUCCESS"
    assert [each.outcome for each in result.attempts()] == ["retry", "retry", "success"]
    assert attempts == {3}
    assert rows.pop("sub/0001.txt") is None
    assert rows.keys() == {"gone", "link", "pipe", "sub"}
    assert all(rows.values())


def test_the_walk_takes_regular_files_only(tree: Path) -> None:
    found = walk(str(tree), lambda path: path.endswith("/deep"))
    assert len(found.files) == FILES + len(STRANGE)
    assert found.files == sorted(found.files)
    assert found.unreadable == []


def test_chunks_hold_every_file_once() -> None:
    for count in (1, 7, 600, 50_000):
        files = [str(number) for number in range(count)]
        chunks = chunked(files)
        assert [file for chunk in chunks for file in chunk] == files
        assert max(map(len, chunks)) <= 150
    assert len(chunked([""] * 600)) == 100
    assert len(chunked([""] * 50_000)) == 334


def test_sum_lines_are_sha256sums_own() -> None:
    assert sum_line("ab", b"name") == b"ab  name\n"
    assert sum_line("ab", b"a\\b\nc") == b"\\ab  a\\\\b\\nc\n"


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1_000])
def test_text_counts_do_not_depend_on_the_blocks(block: int) -> None:
    data = "one  two\nthrée €uro\n\n last".encode()
    counts = TextCounts()
    for start in range(0, len(data), block):
        counts.add(data[start : start + block])
    assert counts.finish() == (3, 5, 26)


@pytest.mark.parametrize("data", [b"\xff", b"a\0b", "é".encode()[:1]])
def test_what_is_no_text_has_no_counts(data: bytes) -> None:
    counts = TextCounts()
    counts.add(data)
    counts.add(b"more")
    assert counts.finish() is None


def test_a_reading(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b"<p>one two\n")
    assert read(str(file))[1:] == (11, "text/html", 1, 2, 11)
    (tmp_path / "blob").write_bytes(b"\0\xff")
    assert read(str(tmp_path / "blob"))[2:] == ("application/octet-stream", None, None, None)
    with pytest.raises(OSError, match="directory"):
        read(str(tmp_path))


def test_progress_lines() -> None:
    assert bar(0, 10) == f"[{'-' * 30}]"
    assert bar(5, 10) == f"[{'#' * 15}{'-' * 15}]"
    assert bar(0, 0) == f"[{'#' * 30}]"
    assert line(250, 1000, 10, "jobs") == " 25%  250/1,000 jobs  25 jobs/s  ETA 0:30"
    assert line(0, 1000, 0, "jobs").endswith("ETA ?")
    assert clock(3_725) == "62:05"


def test_without_a_terminal_there_are_lines_and_no_bar() -> None:
    out = io.StringIO()
    progress = Progress(10, "jobs", out)
    progress.update(5)
    progress.say("something happened")
    progress.update(10)
    progress.finish()
    assert out.getvalue().splitlines()[0] == "something happened"
    assert out.getvalue().count("\n") == 2
    assert "\x1b" not in out.getvalue()
