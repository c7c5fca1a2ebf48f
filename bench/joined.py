"""``python -m bench.joined``: what a job costs beside a row of the application's own, by its own connection.

Each library inserts a row and commits, or sends a job and commits, in turns of ``--rows``; a ratio is made of two
neighbouring turns, so that a drift of the machine hits both. The goal is 0.5.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from pyqueue import PyQueue

Way = tuple[Any, Callable[[], None], Callable[[], None]]
"""What ``using`` takes, inserting a row, and what ends a transaction."""

_INSERT = "INSERT INTO sale(n) VALUES(1)"


@contextmanager
def _stdlib(path: Path, synchronous: str) -> Iterator[Way]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        yield connection, lambda: connection.execute(_INSERT) and None, connection.commit


@contextmanager
def _apsw(path: Path, synchronous: str) -> Iterator[Way]:
    import apsw

    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        yield connection, lambda: connection.execute(_INSERT) and None, lambda: None


@contextmanager
def _session(path: Path, synchronous: str) -> Iterator[Way]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    engine = create_engine(f"sqlite:///{path}")
    statement = text(_INSERT)
    with Session(engine) as session:
        session.execute(text(f"PRAGMA synchronous = {synchronous}"))
        session.commit()
        yield session, lambda: session.execute(statement) and None, session.commit
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

    def insert() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT)

    yield "default", insert, lambda: None
    connection.close()


LIBRARIES = {"sqlite3": _stdlib, "apsw": _apsw, "sqlalchemy": _session, "django": _django}


def turn(rows: int, make: Callable[[], object], commit: Callable[[], None]) -> float:
    """Transactions a second."""
    began = time.perf_counter()
    for _ in range(rows):
        make()
        commit()
    return rows / (time.perf_counter() - began)


def measure(library: str, rows: int, rounds: int, synchronous: str) -> str:
    """One library, on a new file."""
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="."))) / "app.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE sale(n INTEGER)")
            connection.commit()
        app = PyQueue(path, embed=True, durability="normal")
        app.store.queues()
        task = app.task(name="note")(lambda *_: None)
        where, insert, commit = stack.enter_context(LIBRARIES[library](path, synchronous))
        through = task.using(where)
        bare, sent, ratios = [], [], []
        for _ in range(rounds):
            bare.append(turn(rows, insert, commit))
            sent.append(turn(rows, lambda: through.delay(2, 3), commit))
            ratios.append(sent[-1] / bare[-1])
    return (
        f"{library:10}  row {statistics.median(bare):7,.0f}/s  job {statistics.median(sent):7,.0f}/s  "
        f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--synchronous", default="FULL", help="of the connections; FULL is SQLite's default")
    parser.add_argument("libraries", nargs="*", help=", ".join(LIBRARIES))
    arguments = parser.parse_args()
    for library in arguments.libraries or LIBRARIES:
        print(measure(library, arguments.rows, arguments.rounds, arguments.synchronous), flush=True)


if __name__ == "__main__":
    main()
