"""``pyqueue top`` on a terminal of tmux: it follows what happens, takes keys, fits its window, and looks as docs/top.md shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue._core import Gates

PAGE = (Path(__file__).parent.parent.parent / "docs" / "top.md").read_text()
WIDTH, HEIGHT = 96, 24
APP = """
import signal
from pyqueue import PyQueue
app = PyQueue("jobs.db", durability="normal")
@app.task(name="report.build", time_limit=600)
def build(): signal.pause()
@app.task(name="mail.send")
def send(): raise OSError("the server is gone")
"""

pytestmark = pytest.mark.skipif(
    shutil.which("tmux") is None and os.environ.get("CI") != "true",
    reason="tmux is not installed (CI=true makes this a failure)",
)


class Terminal:
    """A window in which ``pyqueue top`` runs."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder = folder
        # Sockets have short names.
        self.socket = f"pyqueue-{os.getpid()}-{folder.name[-20:]}"
        size = ("-x", str(WIDTH), "-y", str(HEIGHT))
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, command)

    def tmux(self, *words: str) -> str:
        clean = {name: value for name, value in os.environ.items() if name != "TMUX"}
        done = subprocess.run(
            ["tmux", "-L", self.socket, *words],
            cwd=self.folder,
            env={**clean, "TERM": "screen-256color"},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def shown(self) -> str:
        return self.tmux("capture-pane", "-p")

    def until(self, holds: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            shown = self.shown()
            if holds(shown):
                return shown
            time.sleep(0.05)
        raise AssertionError(shown)

    def lives(self) -> bool:
        return bool(self.tmux("list-sessions"))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PyQueue]:
    """A shop: two reports that run and three that wait, mails that failed, a queue that is paused, a worker of two slots."""
    (tmp_path / "app.py").write_text(APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    for _ in range(3):
        app.send_task("mail.send", queue="newsletter")
    Gates(app.store).pause(queue="newsletter", author="ada", reason="a typo in the subject")
    for _ in range(2):
        app.send_task("mail.send", queue="mail")
    worker = subprocess.Popen(
        [sys.executable, "-m", "pyqueue", "worker", "-A", "app", "-c", "2", "-n", "shop-1", "--grace", "0"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until(lambda: sum(queue.failed for queue in app.store.queues()) == 2)
        for _ in range(5):
            app.send_task("report.build", time_limit=600)
        _until(lambda: len(_running(app)) == 2)
        yield app
    finally:
        worker.kill()
        worker.wait()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(app: PyQueue) -> list[str]:
    from pyqueue._core import Inspecting

    return [job.id for job in Inspecting(app.store).held("active", limit=9)]


@pytest.fixture
def terminal(tmp_path: Path, app: PyQueue) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, f"{sys.executable} -m pyqueue top")
    yield terminal
    terminal.tmux("kill-server")


def shape(shown: str) -> list[str]:
    """The picture without what differs from one time to the next."""
    # Long ones are shortened where a line is full.
    shown = re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]+(?:\.\.\.)?", "ID", shown)
    shown = re.sub(r"/\S*(?:jobs\.db|\.\.\.)", "FILE", shown)
    shown = re.sub(r"\d+:\d\d:\d\d", "TIME", shown)
    shown = re.sub(r"\b[\d.]+ (?:s|m)\b", "LENGTH", shown)
    shown = re.sub(r"\b\d+%", "SHARE", shown)
    shown = re.sub(r"(in|out|failed) [\d.]+/s", r"\1 RATE", shown)
    shown = re.sub(r"\n{3,}", "\n\n", shown)
    lines = [re.sub(r" +", " ", line).strip() for line in shown.strip().splitlines()]
    return [re.sub(r"\b\d+\.\d\b", "RATE", re.sub(r"\bbusy \d{2,}\b", "busy PID", line)) for line in lines]


@pytest.mark.timeout(120)
def test_it_looks_as_the_page_shows(terminal: Terminal) -> None:
    shown = terminal.until(lambda shown: "out 0.0/s" in shown and "2/2" in shown)
    [page] = re.findall(r"^```\n(pyqueue top  .*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    if os.environ.get("PYQUEUE_TEST_SHOW"):
        print(shown)
    assert shape(shown) == shape(page)
    # Of another picture it is told apart.
    assert shape(shown.replace("report.build", "report", 1)) != shape(page)


@pytest.mark.timeout(120)
def test_it_follows_what_happens_and_takes_keys(terminal: Terminal, app: PyQueue) -> None:
    terminal.until(lambda shown: "report.build" in shown)
    # The slot that comes free is for the mails.
    app.store.purge("default")
    app.send_task("mail.send", queue="mail", task_id="one that comes")
    # The newsletter may start again; its mails fail.
    terminal.keys("j", "j", "j", "p")
    terminal.until(
        lambda shown: "queue newsletter may start again" in shown and "newsletter (paused)" not in shown
    )
    terminal.keys("j", "c")
    asked = terminal.until(lambda shown: "(y/n)" in shown)
    [id] = re.findall(r"cancel report\.build (\S+)\? \(y/n\)", asked)
    assert id in _running(app)
    terminal.keys("y")
    terminal.until(lambda shown: f"{id} was asked to end" in shown)
    assert app.store.wait(id, 20_000_000).state == "cancelled"
    terminal.until(lambda shown: "one that comes" in shown)
    terminal.keys("?")
    terminal.until(lambda shown: "close this help" in shown)
    terminal.keys("?")
    terminal.tmux("resize-window", "-x", "60", "-y", "16")
    smaller = terminal.until(lambda shown: "close this help" not in shown and len(shown.splitlines()) <= 16)
    assert max(map(len, smaller.splitlines())) <= 60
    terminal.keys("q")
    _until(lambda: not terminal.lives())


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", "top", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_one_plain_frame_where_there_is_no_terminal(tmp_path: Path, app: PyQueue) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pyqueue top  ")
    assert "\x1b" not in done.stdout
    assert " running  in 0.0/s  out 0.0/s " in done.stdout
    assert "queue newsletter is paused" in done.stdout


@pytest.mark.parametrize("name", ["none-such", "dumb"])
def test_a_terminal_that_can_t_be_used_is_told_of(tmp_path: Path, app: PyQueue, name: str) -> None:
    command = f"TERM={name} {sys.executable} -m pyqueue top; echo code $?; sleep 60"
    terminal = Terminal(tmp_path, command)
    try:
        shown = terminal.until(lambda shown: "code" in shown)
    finally:
        terminal.tmux("kill-server")
    assert "pyqueue: this terminal can't be used" in shown
    assert "code 69" in shown


def test_a_python_without_curses_is_told_of(tmp_path: Path, app: PyQueue) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "curses.py").write_text("raise ImportError('No module named _curses')")
    command = f"PYTHONPATH=without {sys.executable} -m pyqueue top; echo code $?; sleep 60"
    terminal = Terminal(tmp_path, command)
    try:
        shown = terminal.until(lambda shown: "code" in shown)
    finally:
        terminal.tmux("kill-server")
    assert "this Python can't drive a terminal" in shown
    assert "code 69" in shown


def test_it_ends_with_its_terminal(tmp_path: Path, app: PyQueue) -> None:
    ours, theirs = os.openpty()
    # As under nohup: nothing but the terminal's own end says that it is gone.
    command = f"trap '' HUP; exec {sys.executable} -m pyqueue top"
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = b""
        while b"shop-1" not in shown:
            shown += os.read(ours, 65536)
        os.close(ours)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
