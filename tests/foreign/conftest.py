"""A queue in the application's own file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from foreign.libraries import LIBRARIES, Scenario

from pyqueue import PyQueue


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The application's file."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sale(n INTEGER)")
        connection.commit()
    return path


@pytest.fixture
def shop(db: Path) -> PyQueue:
    """The app whose queue is in it, with the task ``add``."""
    app = PyQueue(db, embed=True, durability="normal")

    @app.task(name="add")
    def add(*numbers: int) -> int:
        return sum(numbers)

    app.store.queues()
    return app


@pytest.fixture(params=LIBRARIES)
def within(request: pytest.FixtureRequest, db: Path) -> Callable[[Scenario[Any]], Any]:
    """Runs a scenario with each library's connection to the file."""
    return lambda scenario: LIBRARIES[request.param](db, scenario)


@pytest.fixture
def sales(db: Path) -> Callable[[], list[int]]:
    """The application's rows, as another connection sees them."""

    def read() -> list[int]:
        with closing(sqlite3.connect(db)) as connection:
            return [n for (n,) in connection.execute("SELECT n FROM sale ORDER BY n")]

    return read
