"""Each example is run as its first lines say, with a worker of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

Worker = Callable[..., Any]

SERVE_FLASK = """
from wsgiref.simple_server import make_server
from flask_app import web
server = make_server("127.0.0.1", 0, web)
print(server.server_port, flush=True)
server.serve_forever()
"""

ASK_FASTAPI = """
import json, time
from fastapi.testclient import TestClient
from fastapi_app import web
client = TestClient(web)
asked = client.post("/sum", params={"x": 2, "y": 3})
assert asked.status_code == 202, asked
end = time.monotonic() + 15
while (shown := client.get(asked.json()["result"]).json())["state"] != "SUCCESS":
    assert time.monotonic() < end, shown
    time.sleep(0.005)
print(json.dumps([shown, client.get("/jobs/none").status_code, client.post("/sum?x=a&y=b").status_code]))
"""


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copy(EXAMPLES / name, tmp_path))


def python(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_plain_use(copied: Callable[[str], Path], worker: Worker, tmp_path: Path) -> None:
    words = len(copied("plain.py").read_text().split())
    worker("-A", "plain.py", "-c", "1")
    assert python(tmp_path, "plain.py").splitlines() == [
        f"this file has {words} words",
        f"a hundred times that is {100 * words}",
        "in an hour: PENDING - and now: revoked",
    ]


def test_a_workflow(copied: Callable[[str], Path], worker: Worker, tmp_path: Path) -> None:
    words = len(copied("workflow.py").read_text().split())
    worker("-A", "workflow.py", "-c", "2")
    assert python(tmp_path, "workflow.py").splitlines() == [
        f"the files in this folder have {words} words",
        f"each: [{words}]",
    ]


def test_schedules(copied: Callable[[str], Path], worker: Worker, tmp_path: Path) -> None:
    copied("scheduled.py")
    worker("-A", "scheduled.py", "-c", "1")
    assert python(tmp_path, "scheduled.py").splitlines() == [
        "the schedules are often, scheduled.clean",
        "as the clock goes forward it runs at 01:00 UTC",
        "and now: clean",
    ]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the Flask application, on loopback."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE_FLASK],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def test_flask(copied: Callable[[str], Path], worker: Worker, tmp_path: Path) -> None:
    copied("flask_app.py")
    worker("-A", "flask_app.py", "-c", "1")
    with served(tmp_path) as address:
        with urllib.request.urlopen(f"{address}/sum?x=2&y=3", data=b"", timeout=10) as answer:
            assert answer.status == 202
            asked = json.load(answer)
        end = time.monotonic() + 15
        shown: dict[str, object] = {}
        while shown.get("state") != "SUCCESS":
            assert time.monotonic() < end, shown
            with urllib.request.urlopen(address + asked["result"], timeout=10) as answer:
                shown = json.load(answer)
        assert shown == {"state": "SUCCESS", "result": 5}
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(f"{address}/sum?x=2", data=b"", timeout=10)


def test_fastapi(copied: Callable[[str], Path], worker: Worker, tmp_path: Path) -> None:
    copied("fastapi_app.py")
    worker("-A", "fastapi_app.py", "-c", "1")
    answers = json.loads(python(tmp_path, "-c", ASK_FASTAPI))
    assert answers == [{"state": "SUCCESS", "result": 5}, 404, 422]


def test_the_examples_are_as_long_as_the_readmes_and_all_are_run() -> None:
    files = {path.name for path in EXAMPLES.glob("*.py")}
    assert files == {"plain.py", "workflow.py", "scheduled.py", "flask_app.py", "fastapi_app.py"}
    for name in files:
        code = [line for line in (EXAMPLES / name).read_text().splitlines() if line.strip()]
        assert len(code) <= 30, name
