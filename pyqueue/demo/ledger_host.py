"""The host of ``pyqueue demo ledger``: orders transfers, each together with its job, in transactions of its own.

``python -m pyqueue.demo.ledger_host DB COUNT``. It may be killed at any moment; another goes on where it was.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from pyqueue.demo.ledger import app, connect, move, transfer_of

BATCH: Final = 50
"""Transfers in one transaction."""
AHEAD: Final = 2_000
"""Transfers that are ordered and not made: it keeps in step, so that it can be killed at any time of the run."""
_REST: Final = 0.02


def main(path: str, count: int) -> None:
    """Orders what is left of ``count`` transfers."""
    app.use(path)
    connection = connect(path)
    # Whoever started us may be killed: nobody would wait for what is ordered then.
    parent = os.getppid()
    while os.getppid() == parent:
        (ahead,) = connection.execute(
            "SELECT ifnull((SELECT max(transfer) FROM ordered), 0) - ifnull((SELECT max(id) FROM entry), 0)"
        ).fetchone()
        if ahead > AHEAD:
            time.sleep(_REST)
            continue
        connection.execute("BEGIN IMMEDIATE")
        (first,) = connection.execute("SELECT ifnull(max(transfer), 0) + 1 FROM ordered").fetchone()
        last = min(first + BATCH - 1, count)
        with app.using(connection):
            for number in range(first, last + 1):
                result = move.delay(*transfer_of(number))
                connection.execute("INSERT INTO ordered VALUES (?, ?)", (number, result.id))
        connection.execute("COMMIT")
        if last == count:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
