"""A write that waits for another connection's transaction answers signals, and stores nothing then."""

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyqueue import PyQueue

SCRIPT = """
import threading
from pyqueue import PyQueue

app = PyQueue("jobs.db", durability="normal")
threads = [threading.Thread(target=lambda: app.send_task("other"), daemon=True) for _ in range(2)]
print("waiting", flush=True)
for thread in threads[: {others}]:
    thread.start()
app.send_task("mine")
print("stored")
"""


@pytest.mark.parametrize("others", [0, 2])
def test_a_signal_ends_the_wait_for_the_write_lock(tmp_path: Path, others: int) -> None:
    app = PyQueue(tmp_path / "jobs.db", embed=True)
    app.send_task("first")
    holder = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(others=others)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, errors = process.communicate(timeout=10)
        assert "KeyboardInterrupt" in errors
        assert time.monotonic() - start < 5, "far below the 30 s that the write would wait"
    finally:
        process.kill()
        holder.execute("ROLLBACK")
        holder.close()
    assert [queue.waiting for queue in app.store.queues()] == [1]
