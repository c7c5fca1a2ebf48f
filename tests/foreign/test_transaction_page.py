"""What the page shows of a job's own transaction works as it stands there."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue.worker.run_job import run_job

PAGE = (Path(__file__).parents[2] / "docs" / "transactions.md").read_text()
SECTION = PAGE.partition("\n## Commit a job with its work\n")[2].partition("\n## ")[0]
BLOCK, WHOLE, SESSION = re.findall(r"^```python\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)

MODEL = """
from sqlalchemy import Integer, create_engine
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

engine = create_engine("sqlite:///shop.db")

class Base(DeclarativeBase):
    pass

class Payment(Base):
    __tablename__ = "payment"
    order_id = mapped_column(Integer, primary_key=True)
    amount = mapped_column(Integer)
"""


@pytest.mark.parametrize(
    ("example", "paid"),
    [(BLOCK, 14), (BLOCK + WHOLE, 7), (BLOCK + MODEL + SESSION, 7)],
    ids=["block", "whole", "session"],
)
def test_the_example_pays_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str, paid: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("shop.db")) as db:
        db.execute("CREATE TABLE payment(order_id INTEGER PRIMARY KEY, amount INTEGER)")
        db.commit()
    names: dict[str, Any] = {"__name__": "page"}
    exec(example, names)
    app, call = names["app"], names["pay"].delay(1, 7)
    worker = app.store.join("test", 1, 30_000_000)
    [job] = app.store.claim(worker, 10)
    # Not handed in: the transaction has ended the job.
    run_job(app, job, "here")
    assert call.get(timeout=5) == paid
    with closing(sqlite3.connect("shop.db")) as db:
        assert db.execute("SELECT * FROM payment").fetchall() == [(1, paid)]
    made = [job.task for job in app.store.claim(worker, 10)]
    assert made == ([] if example.endswith(SESSION) else ["page.send_receipt"])
    if "engine" in names:
        names["engine"].dispose()
