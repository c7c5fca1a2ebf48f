"""Real files, real workers: what the tests of the Python side share."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pyqueue import PyQueue, _core, loading

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts so what runs in the background, and every process of the tests would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
assert hasattr(_core, "MUTANTS") or not os.environ.get("PYQUEUE_MUTANT"), "this build has no mutants"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test has logged may be no text, and goes from process to process."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="module", autouse=True)
def as_found() -> Iterator[None]:
    """A module's tests leave the level of the logs and the environment to the next ones as they were."""

    def seen() -> tuple[int, dict[str, str]]:
        current = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        return logging.getLogger().level, current

    before = seen()
    yield
    assert seen() == before


@pytest.fixture
def app(tmp_path: Path) -> PyQueue:
    """An app on a new file."""
    return PyQueue(tmp_path / "jobs.db")


class Project:
    """A user's module in a folder of its own, imported here as the producer imports it."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        # Each test's module has a name of its own, since sys.modules outlives the test.
        self.stem = f"tasks_{uuid.uuid4().hex[:8]}"
        self.file = folder / f"{self.stem}.py"
        self.file.write_text(source)
        self.db = folder / "jobs.db"

    def load(self) -> ModuleType:
        loading.load(str(self.file))
        return sys.modules[self.stem]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Project]:
    """Writes a module; its app must be made with the path "jobs.db"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda source: Project(tmp_path, source)


@pytest.fixture
def tasks(request: pytest.FixtureRequest, project: Callable[[str], Project]) -> ModuleType:
    """What the test's module has as ``SOURCE``, written and loaded here; ``__project__`` is its place."""
    made = project(request.module.SOURCE)
    module = made.load()
    module.__project__ = made
    return module


class WorkerHandle:
    """A ``pyqueue worker`` process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / f"worker-{uuid.uuid4().hex[:8]}.log"
        self.started = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pyqueue", "worker", *arguments],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.said = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_said(self, text: bytes, timeout: float = 20) -> float:
        """Waits until the text is on standard output; the seconds since the start."""
        assert self.process.stdout is not None
        end = time.monotonic() + timeout
        while text not in self.said:
            # Not select(): many tests in one process have descriptors above 1,023.
            poll = select.poll()
            poll.register(self.process.stdout, select.POLLIN)
            readable = poll.poll(1000 * max(0, end - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            assert more, f"said {self.said!r}, logged {self.log.read_text()}"
            self.said += more
        return time.monotonic() - self.started

    def wait_ready(self) -> float:
        return self.wait_said(b"ready:")

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.pid}/task").iterdir()
        return [int(pid) for task in text for pid in (task / "children").read_text().split()]

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., WorkerHandle]]:
    """Starts workers in the test's folder and waits for their ready line."""
    handles: list[WorkerHandle] = []

    def start(*arguments: str, ready: bool = True) -> WorkerHandle:
        handle = WorkerHandle(tmp_path, *arguments)
        handles.append(handle)
        if ready:
            handle.wait_ready()
        return handle

    yield start
    for handle in handles:
        handle.close()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], object], timeout: float = 10) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.005)

    return wait
