from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bad_input.judging import said, unchanged

from pyqueue import PyQueue

APP = "from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n"

USAGE = 64


def worker(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYQUEUE_")}
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", "worker", "--burst", *arguments],
        cwd=folder,
        env=clean,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def jobs(tmp_path: Path) -> PyQueue:
    app = PyQueue(tmp_path / "jobs.db")
    app.send_task("app.add", [1, 2])
    return app


@pytest.mark.parametrize(
    ("source", "arguments", "happened", "do"),
    [
        (None, (), "no app was found", "-A module:app or -A file.py"),
        (None, ("-A", "gone"), "no module gone", "on the Python path"),
        (None, ("-A", "gone.py"), "no file .*gone.py", ""),
        (None, ("-A", "../../x"), "neither a module's name nor a .py file", ""),
        ("x = 1\n", (), "app.py has no app", "needs a line such as"),
        (APP, ("-A", "app:other"), "other in app does not exist", ""),
        (APP + "n = 5\n", ("-A", "app:n"), "n in app is a int, not a PyQueue", ""),
        (APP + "b = PyQueue('b.db')\n", (), "has several apps .app, b", "say which with"),
        (APP.replace("'jobs.db'", ""), (), "no queue file is named", "set PYQUEUE_DB"),
        (
            APP + "app.task(name='t')(lambda: 1)\ndef t(): ...\napp.task(name='t')(t)\n",
            (),
            "two functions are named t",
            "give one of them another name",
        ),
    ],
    ids=[
        "no app",
        "no module",
        "no file",
        "no name",
        "no app in it",
        "no attribute",
        "no PyQueue",
        "two apps",
        "no file named",
        "two tasks of one name",
    ],
)
def test_an_app_that_can_not_be_used_is_one_sentence_and_touches_no_job(
    jobs: PyQueue, tmp_path: Path, source: str | None, arguments: tuple[str, ...], happened: str, do: str
) -> None:
    if source is not None:
        (tmp_path / "app.py").write_text(source)
    with unchanged(tmp_path / "jobs.db"):
        ended = worker(tmp_path, *arguments)
    assert ended.returncode == USAGE, ended
    said(ended.stderr, happened=f"pyqueue: .*{happened}", do=do)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("import nowhere", "No module named 'nowhere'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
        ("app.send_task('app.add')", "makes a job while a worker is loading it"),
    ],
    ids=["import", "error", "syntax", "sends"],
)
def test_an_error_in_the_app_is_shown_where_it_is_and_touches_no_job(
    jobs: PyQueue, tmp_path: Path, line: str, shown: str
) -> None:
    (tmp_path / "app.py").write_text(f"{APP}{line}\n")
    with unchanged(tmp_path / "jobs.db"):
        ended = worker(tmp_path)
    assert ended.returncode == 1, ended
    assert shown in ended.stderr
    assert "app.py" in ended.stderr
    assert "ready" not in ended.stdout


ONLY_IN_THE_SUPERVISOR = """
import sys
if "pyqueue.worker.child" in sys.orig_argv: raise OSError("the child's own trouble")
"""


def test_an_app_that_loads_only_in_the_supervisor_ends_the_worker_with_the_childs_error(
    jobs: PyQueue, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP + ONLY_IN_THE_SUPERVISOR)
    ended = worker(tmp_path, "-c", "1")
    assert ended.returncode == 1, ended
    assert "the child's own trouble" in ended.stderr
    # The level says what kind of line it is, once.
    assert re.search(r" WARNING \[\d+\] pyqueue\.worker: a child could not start", ended.stderr)
    assert re.search(r" ERROR \[\d+\] pyqueue\.worker: 3 children in a row", ended.stderr)
    [queue] = jobs.store.queues()
    assert (queue.waiting + queue.parked, queue.running, queue.lost) == (1, 0, 0)
