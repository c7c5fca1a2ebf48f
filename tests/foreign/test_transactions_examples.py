"""The examples about half messages and producers in docs/transactions.md work as they are written."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from pyqueue import PyQueue

PAGE = (Path(__file__).parents[2] / "docs" / "transactions.md").read_text()
ORDERS = range(1, 251)


def example(heading: str) -> str:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return str(block)


def shop(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, state TEXT)")
        db.execute("CREATE TABLE outbox(id INTEGER PRIMARY KEY, ordered INTEGER)")
        db.executemany("INSERT INTO outbox(ordered) VALUES(?)", [(order,) for order in ORDERS])


def test_the_half_message(
    tmp_path: Path, worker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    shop(tmp_path)
    quick = example("Half messages").replace("timeout=60", "timeout=0.2")
    (tmp_path / "app.py").write_text(quick)
    dies = "import os, app; app.shop = lambda: os.kill(os.getpid(), 9); app.buy(2)"
    for program, code in (("import app; app.buy(1)", 0), (dies, -signal.SIGKILL)):
        assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False).returncode == code
    store = PyQueue(tmp_path / "jobs.db").store
    assert sorted(job.state for job in store.jobs()) == ["prepared", "waiting"]
    worker("-c", "1")
    eventually(lambda: {job.state for job in store.jobs()} <= {"success", "cancelled"})
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        assert db.execute("SELECT * FROM orders ORDER BY id").fetchall() == [(1, "paid"), (2, "void")]


def test_the_relay(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "app.py").write_text(example("Half messages"))
    (tmp_path / "relay.py").write_text(example("Producers"))
    store = PyQueue(tmp_path / "jobs.db").store
    for _ in range(2):
        assert subprocess.run([sys.executable, "relay.py"], cwd=tmp_path, check=False).returncode == 0
        assert len(store.jobs(limit=1_000)) == len(ORDERS)
