"""``self.transaction(connection)``: the application's own connection commits the job, whatever its library."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue.exceptions import CannotJoin, TransactionError

COMMON = """
import asyncio, os, sqlite3
from pyqueue import PyQueue

app = PyQueue("jobs.db", embed=True, durability="normal")

@app.task
def follow(what):
    return what

def pay(self, connection, write, how):
    with self.transaction(connection):
        write("first")
        follow.delay(how)
        self.succeed(how)
        how_to_end(connection, how)
        write("second")

def how_to_end(connection, how):
    if how == "error":
        raise ValueError("rolled back")
    if how == "commit":
        connection.commit()
    if how == "rollback":
        connection.rollback()
    if how == "nested":
        with connection.begin_nested():
            pass
"""

STDLIB = """
opened = sqlite3.connect("jobs.db", timeout=30)

@app.task(bind=True)
def task(self, how):
    pay(self, opened, lambda name: opened.execute("INSERT INTO ledger VALUES(?)", (name,)), how)
"""

APSW = """
import apsw
opened = apsw.Connection("jobs.db")
opened.set_busy_timeout(30_000)
end = {"commit": "COMMIT", "rollback": "ROLLBACK"}

@app.task(bind=True)
def task(self, how):
    with self.transaction(opened) as db:
        db.execute("INSERT INTO ledger VALUES('first')")
        follow.delay(how)
        self.succeed(how)
        if how in end:
            db.execute(end[how])
        else:
            how_to_end(db, how)
        db.execute("INSERT INTO ledger VALUES('second')")
"""

SESSION = """
from sqlalchemy import create_engine, String
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): pass

class Entry(Base):
    __tablename__ = "ledger"
    name: Mapped[str] = mapped_column(String, primary_key=True)

engine = create_engine("sqlite:///jobs.db", connect_args={"timeout": 30})

@app.task(bind=True)
def task(self, how):
    with Session(engine) as session:
        pay(self, session, lambda name: session.add(Entry(name=name)), how)
"""

CORE = """
from sqlalchemy import create_engine, text
engine = create_engine("sqlite:///jobs.db", connect_args={"timeout": 30})

@app.task(bind=True)
def task(self, how):
    with engine.connect() as connection:
        insert = text("INSERT INTO ledger VALUES(:name)")
        pay(self, connection, lambda name: connection.execute(insert, {"name": name}), how)
"""

ASYNC_SESSION = """
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

@app.task(bind=True)
async def task(self, how):
    engine = create_async_engine("sqlite+aiosqlite:///jobs.db", connect_args={"timeout": 30})
    try:
        async with AsyncSession(engine) as session:
            async with self.transaction(session) as db:
                await db.execute(text("INSERT INTO ledger VALUES('first')"))
                await db.run_sync(lambda _: follow.delay(how))
                self.succeed(how)
                if how == "commit":
                    await db.commit()
                elif how == "rollback":
                    await db.rollback()
                else:
                    how_to_end(db, how)
                await db.execute(text("INSERT INTO ledger VALUES('second')"))
    finally:
        await engine.dispose()
"""

DJANGO = """
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.abspath("jobs.db"),
                           "OPTIONS": {"timeout": 30}}},
    INSTALLED_APPS=[], USE_TZ=True)
django.setup()
from django.db import connection, models, transaction

class Entry(models.Model):
    name = models.TextField(primary_key=True)
    class Meta:
        app_label = "shop"
        db_table = "ledger"

@app.task(bind=True)
def task(self, how):
    with self.transaction("default"):
        Entry(name="first").save(force_insert=True)
        follow.delay(how)
        self.succeed(how)
        if how == "commit":
            transaction.commit()
        elif how == "rollback":
            transaction.rollback()
        elif how == "nested":
            with transaction.atomic():
                pass
        else:
            how_to_end(None, how)
        Entry(name="second").save(force_insert=True)
"""

HOSTS = {
    "sqlite3": STDLIB,
    "apsw": APSW,
    "session": SESSION,
    "core": CORE,
    "async session": ASYNC_SESSION,
    "django": DJANGO,
}
NESTING = ("session", "core", "django")
REFUSING = ("apsw", "session", "core", "async session", "django")


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(
        {"session": "sqlalchemy", "core": "sqlalchemy", "async session": "aiosqlite"}.get(name, name)
    )
    return name


@pytest.fixture
def shop(host: str, project: Callable[[str], Any]) -> Any:
    """The project of an app whose task writes through this library."""
    made = project(COMMON + HOSTS[host])
    with closing(sqlite3.connect(made.db)) as db:
        db.execute("CREATE TABLE ledger(name TEXT PRIMARY KEY)")
        db.commit()
    return made


def names(file: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as db:
        return [name for (name,) in db.execute("SELECT name FROM ledger ORDER BY rowid")]


def test_it_commits_the_job(shop: Any, host: str, worker: Callable[..., Any]) -> None:
    from pyqueue import PyQueue

    app = PyQueue(shop.db, embed=True, durability="normal")

    def call(how: str) -> Any:
        return app.send_task(f"{shop.stem}.task", [how])

    calls = {how: call(how) for how in ("error", "rollback", "commit")}
    handle = worker("-A", shop.stem, "--db", str(shop.db), "-c", "1")
    with pytest.raises(ValueError, match="rolled back"):
        calls["error"].get(timeout=20)
    for how in ("rollback", "commit"):
        with pytest.raises(Exception, match=r"inside of|forbidden|ended|closed|can't") as caught:
            calls[how].get(timeout=20)
        if host != "django":
            assert isinstance(caught.value, TransactionError), caught.value
        assert calls[how].state == "FAILURE"
    # Where its library can't refuse a commit by hand, what was committed is, and the job says so.
    left = [] if host in REFUSING else ["first"]
    assert names(shop.db) == left
    with closing(sqlite3.connect(shop.db, timeout=30)) as db:
        db.execute("DELETE FROM ledger")
        db.commit()
    good = call("nested" if host in NESTING else "well")
    assert good.get(timeout=20) in ("nested", "well")
    assert names(shop.db) == ["first", "second"]
    assert [attempt.outcome for attempt in good.attempts()] == ["success"]
    assert app.store.jobs(task=f"{shop.stem}.follow", limit=1)[0].id in [child.id for child in good.children]
    assert handle.process.poll() is None


def test_a_connection_to_another_file_and_an_open_transaction_are_refused(
    project: Callable[[str], Any], worker: Callable[..., Any]
) -> None:
    made = project(
        COMMON
        + """
@app.task(bind=True)
def other(self):
    with self.transaction(sqlite3.connect("other.db")):
        pass

@app.task(bind=True)
def busy(self):
    db = sqlite3.connect("jobs.db")
    db.execute("INSERT INTO ledger VALUES('before')")
    try:
        with self.transaction(db):
            pass
    finally:
        db.rollback()
"""
    )
    with closing(sqlite3.connect(made.db)) as db:
        db.execute("CREATE TABLE ledger(name TEXT PRIMARY KEY)")
        db.commit()
    module = made.load()
    calls = module.other.delay(), module.busy.delay()
    worker("-A", module.__name__, "-c", "1")
    with pytest.raises(CannotJoin, match="no commit covers both"):
        calls[0].get(timeout=10)
    with pytest.raises(TransactionError, match="is open on this sqlite3 connection already"):
        calls[1].get(timeout=10)
    assert names(made.db) == []
