"""``python -m bench.joined``: what a job costs by the application's own connection, beside a row of its own.

Each library, in turns of ``--rows`` transactions of one statement: inserts a small row; inserts into the inbox by plain
SQL; sends a job. A ratio is made of neighbouring turns, so that a drift of the machine hits both. The goal is 0.5 of the
small row.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pyqueue import PyQueue
from pyqueue._core import INBOX_INSERT

_ROW = "INSERT INTO sale(n) VALUES(?)"


class Way(NamedTuple):
    """What ``using`` takes, running a statement, and the end of a transaction."""

    connection: Any
    run: Callable[[str, Sequence[Any]], object]
    commit: Callable[[], object]


@contextmanager
def _stdlib(path: Path, synchronous: str) -> Iterator[Way]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        yield Way(connection, connection.execute, connection.commit)


@contextmanager
def _apsw(path: Path, synchronous: str) -> Iterator[Way]:
    import apsw

    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        yield Way(connection, connection.execute, int)


@contextmanager
def _session(path: Path, synchronous: str) -> Iterator[Way]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    engine = create_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        session.execute(text(f"PRAGMA synchronous = {synchronous}"))
        session.commit()
        yield Way(
            session,
            lambda sql, values: session.connection().exec_driver_sql(sql, tuple(values)),
            session.commit,
        )
    engine.dispose()


@contextmanager
def _django(path: Path, synchronous: str) -> Iterator[Way]:
    import django
    from django.conf import settings
    from django.db import connection

    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {"init_command": f"PRAGMA synchronous = {synchronous}"},
    }
    settings.configure(DATABASES={"default": database})
    django.setup()

    def run(sql: str, values: Sequence[Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s"), values)

    yield Way("default", run, int)
    connection.close()


LIBRARIES = {"sqlite3": _stdlib, "apsw": _apsw, "sqlalchemy": _session, "django": _django}


def turn(rows: int, make: Callable[[], object], commit: Callable[[], object]) -> float:
    """Transactions a second."""
    began = time.perf_counter()
    for _ in range(rows):
        make()
        commit()
    return rows / (time.perf_counter() - began)


def measure(library: str, rows: int, rounds: int, synchronous: str) -> str:
    """One library, on a new file."""
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="."))).absolute() / "app.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE sale(n INTEGER)")
            connection.commit()
        app = PyQueue(path, embed=True, durability="normal")
        app.store.queues()
        task = app.task(name="note")(lambda *_: None)
        way = stack.enter_context(LIBRARIES[library](path, synchronous))
        letter = app.store.letter(app.job_of(task.s(2, 3)))
        names = iter(range(10**9))
        through = task.using(way.connection)
        ways: list[Callable[[], object]] = [
            lambda: way.run(_ROW, (1,)),
            lambda: way.run(INBOX_INSERT, (f"job-{next(names):09}", *letter[1:])),
            lambda: through.delay(2, 3),
        ]
        found = [[turn(rows, make, way.commit) for make in ways] for _ in range(rounds)]
    row, plain, job = (statistics.median(rates) for rates in zip(*found, strict=True))
    of_row = [job / row for row, _, job in found]
    of_plain = [job / plain for _, plain, job in found]
    return (
        f"{library:10}  a second: row {row:,.0f}, plain SQL {plain:,.0f}, job {job:,.0f}; "
        f"job by row {_spread(of_row)}, by plain SQL {_spread(of_plain)}"
    )


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--synchronous", default="FULL", help="of the connections; FULL is SQLite's default")
    parser.add_argument("libraries", nargs="*", help=", ".join(LIBRARIES))
    arguments = parser.parse_args()
    for library in arguments.libraries or LIBRARIES:
        print(measure(library, arguments.rows, arguments.rounds, arguments.synchronous), flush=True)


if __name__ == "__main__":
    main()
