"""Each promise is tried on Celery itself and on pyqueue, and both answer as the table says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engines import ENGINES, Engine
from promising import PROMISES, Promise
from table import PAGE, filled, tables

# Celery and kombu warn of what is theirs to change.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.observe.__name__)
def test_a_promise(engine: Engine, promise: Promise) -> None:
    assert promise.observe(engine) == getattr(promise, engine.name)


def test_what_differs_says_why_and_what_is_alike_does_not() -> None:
    assert len(PROMISES) > 30
    assert [each.text for each in PROMISES if (each.celery != each.pyqueue) != bool(each.why)] == []


def test_the_page_shows_todays_tables() -> None:
    page = PAGE.read_text()
    assert filled(page) == page, "run: python -m tests.celery"


def test_control_an_old_table_is_noticed() -> None:
    page = PAGE.read_text()
    assert filled(page.replace("| why |", "| because |")) == page
    assert all(table in page for table in tables().values())
