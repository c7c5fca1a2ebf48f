"""The page about transactions shows what works."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue

PAGE = (Path(__file__).parents[2] / "docs" / "transactions.md").read_text()
SECTION = PAGE.partition("\n## Enqueue in your own transaction\n")[2].partition("\n## ")[0]


def test_its_examples_enqueue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("app.db")) as connection:
        connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, item TEXT)")
        connection.commit()
    app = PyQueue("app.db", embed=True)
    app.store.queues()
    names: dict[str, Any] = {"__name__": "page"}
    first, second = re.findall(r"^```python\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
    exec(first, names)
    exec(second, names)
    names["connection"].close()
    names["engine"].dispose()
    worker = app.store.join("test", 1, 30_000_000)
    jobs = app.store.claim(worker, 10)
    assert [job.task for job in jobs] == ["page.send_mail"] * 3
    assert jobs[0].id == names["mail"].id
    with closing(sqlite3.connect("app.db")) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)
