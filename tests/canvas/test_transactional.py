"""Steps that end with their own transaction, by a receipt: the workflow goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pyqueue import chain, chord
from pyqueue.exceptions import ChordError

SOURCE = """
from pyqueue import PyQueue

app = PyQueue("jobs.db", embed=True)

@app.task(bind=True, transactional=True)
def write(self, number, *more):
    self.db.execute("CREATE TABLE IF NOT EXISTS written(number)")
    self.db.execute("INSERT INTO written VALUES (?)", (number,))
    if number < 0:
        raise ValueError("no")
    return number + 1

@app.task(bind=True)
def succeeds(self, number):
    with self.transaction() as db:
        db.execute("INSERT INTO written VALUES (?)", (number,))
        self.succeed(number * 10)

@app.task(bind=True)
def replaced(self):
    with self.transaction():
        return self.replace(write.s(5))

@app.task
def pack(*args):
    return list(args)
"""


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_receipt_advances_the_workflow(tasks: ModuleType, worker: Callable[..., Any], pool: str) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "2", "-P", pool)
    result = chain(tasks.write.s(1), tasks.succeeds.s(), tasks.write.s(), tasks.pack.s("end")).delay()
    assert result.get(timeout=20) == [21, "end"]
    header = [tasks.write.s(number) for number in range(20)]
    assert chord(header, tasks.pack.s()).delay().get(timeout=20) == [[number + 1 for number in range(20)]]
    with pytest.raises(ChordError, match="no"):
        chord([tasks.write.s(1), tasks.write.s(-1)], tasks.pack.s()).delay().get(timeout=20)


def test_a_job_does_not_become_another_inside_its_transaction(
    tasks: ModuleType, worker: Callable[..., Any]
) -> None:
    from pyqueue.exceptions import TransactionError

    worker("-A", tasks.__project__.file.name, "-c", "1")
    with pytest.raises(TransactionError, match=r"replace\(\)"):
        tasks.replaced.delay().get(timeout=20)
