"""Little is loaded, and the first result is there at once."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from processes import Started, worker, write_app

from pyqueue import PyQueue

APP = """
from pyqueue import PyQueue
app = PyQueue("jobs.db")
@app.task
def add(x, y): return x + y
"""

# Expected on a quiet machine: 0.6 s and 0.3 s. The bounds are three times that, since the machine is shared.
READY, RESULT = 1.8, 0.9
HEAVY = {"pyqueue.worker", "pyqueue.cli", "asyncio", "multiprocessing"}


def test_a_worker_is_ready_and_returns_its_first_result_at_once(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db")
    with worker(tmp_path, "-c", "2") as started:
        until_ready = time.monotonic() - started.started
        begun = time.monotonic()
        assert app.send_task("app.add", [2, 3]).get(timeout=10) == 5
        until_result = time.monotonic() - begun
    print(f"ready after {until_ready * 1000:.0f} ms, first result {until_result * 1000:.0f} ms later")
    assert until_ready <= READY
    assert until_result <= RESULT


def loaded_by(folder: Path, imports: str) -> set[str]:
    """Which heavy modules a fresh process has loaded after an import."""
    with Started(
        folder, "-c", f"import {imports}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    ) as p:
        assert p.wait(20) == 0, p.log.read_text()
        return HEAVY & set(json.loads(p.out.read_text()))


def test_importing_pyqueue_loads_neither_its_worker_nor_a_second_way_to_run_things(tmp_path: Path) -> None:
    assert loaded_by(tmp_path, "pyqueue") == set()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("pyqueue.worker.main", "pyqueue.worker"),
        ("pyqueue.cli.main", "pyqueue.cli"),
        ("asyncio", "asyncio"),
        ("multiprocessing", "multiprocessing"),
    ],
)
def test_control_a_module_that_is_loaded_is_seen(tmp_path: Path, module: str, heavy: str) -> None:
    assert heavy in loaded_by(tmp_path, module)
