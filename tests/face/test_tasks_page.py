"""The page about tasks shows what works."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyqueue import signals
from pyqueue.options import CallOptions, TaskOptions
from pyqueue.retrying import delay_after

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()

BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_pages_tasks_work(
    project: Callable[[str], Any], worker: Callable[..., Any], tmp_path: Path
) -> None:
    made = project(BLOCKS[0])
    module = made.load()
    try:
        log = worker("-A", str(made.file), "-c", "1")
        assert module.copy.delay(["a", "b"]).get(timeout=10) == 2
        assert module.fetch.delay(4).get(timeout=10) == 4
        assert module.total.delay(1, None).get(timeout=10, propagate=False).args
        log.wait_said(b".total failed: unsupported operand")
        assert b".copy(['a', 'b'],) begins, attempt 1" in log.said
    finally:
        signals.task_failure.disconnect(module.tell, sender=module.total)


def test_the_pages_retry_rules_work(project: Callable[[str], Any]) -> None:
    options = project(BLOCKS[1]).load().fetch.options
    assert [delay_after(TimeoutError(), options, n) for n in range(4)] == [1, 10, 60, None]
    assert 0 <= (delay_after(ConnectionError(), options, 19) or 0) <= 300
    assert delay_after(FileNotFoundError(), options, 0) is None
    assert delay_after(OSError(), options, 0) == 180


def test_the_page_names_every_option_and_signal() -> None:
    named = {*re.findall(r"`(\w+)", PAGE)}
    known = {each.name for each in vars(signals).values() if isinstance(each, signals.Signal)}
    assert {*TaskOptions._fields, *CallOptions._fields, *known} - named == set()


def test_the_pages_sql_makes_a_job(
    project: Callable[[str], Any], worker: Callable[..., Any], tmp_path: Path
) -> None:
    (statement,) = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    made = project(
        "from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n"
        "@app.task(name='shop.mail.send')\ndef send(to): return f'sent to {to}'\n"
    )
    module = made.load()
    worker("-A", str(made.file), "-c", "1")
    # In a process of its own: which copies of SQLite share one is not what is asked here.
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "jobs.db"), statement], check=True)
    assert module.app.AsyncResult("order-7").get(timeout=10) == "sent to bob"
