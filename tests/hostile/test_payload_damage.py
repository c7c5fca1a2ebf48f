"""P16: what was damaged in the file is neither run nor returned. The control arms store a checksum that fits."""

from __future__ import annotations

import pickle
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue._core import NewJob
from pyqueue.exceptions import CorruptPayload, DecodeError, TaskFailed
from pyqueue.result import AsyncResult
from pyqueue.worker.run_job import run_job


class Shop:
    """An app whose task notes what it was called with."""

    def __init__(self, app: PyQueue, db: Path) -> None:
        self.app, self.db, self.calls = app, db, list[Any]()

        @app.task(name="shop.buy")
        def buy(what: str) -> str:
            self.calls.append(what)
            if what == "nothing":
                raise ValueError(what)
            return what

        self.buy = buy

    def damage(self, table: str, column: str, old: bytes, new: bytes, *, fitting: bool) -> None:
        """Changes bytes as a bad disk does, or as somebody does who knows of the checksum."""
        with closing(sqlite3.connect(self.db)) as connection, connection:
            ((key, value),) = connection.execute(
                f"SELECT rowid, {column} FROM {table} WHERE instr({column}, ?)", (old,)
            ).fetchall()
            changed = value.replace(old, new)
            assert changed != value
            connection.execute(f"UPDATE {table} SET {column}=? WHERE rowid=?", (changed, key))
            if fitting:
                connection.execute(f"UPDATE {table} SET checksum=? WHERE rowid=?", (zlib.crc32(changed), key))

    def work(self) -> None:
        worker = self.app.store.join("test", 1, 30_000_000)
        while jobs := self.app.store.claim(worker, 10):
            self.app.store.finish([(job, run_job(self.app, job)) for job in jobs])


@pytest.fixture
def shop(app: PyQueue, tmp_path: Path) -> Shop:
    return Shop(app, tmp_path / "jobs.db")


def test_damaged_arguments_are_dead_lettered_and_not_run(shop: Shop) -> None:
    bad, good = shop.buy.delay("apple"), shop.buy.delay("pear")
    shop.damage("pyqueue_job", "payload", b"apple", b"appla", fitting=False)
    shop.work()
    assert (shop.calls, good.get(timeout=5)) == (["pear"], "pear")
    assert shop.app.store.view(bad.id).state == "dead"
    with pytest.raises(CorruptPayload, match="don't match their checksum"):
        bad.get(timeout=5)
    assert shop.app.store.replay(bad.id) is None, "it would be run with a checksum of its own"


def test_control_damaged_arguments_whose_checksum_fits_are_run(shop: Shop) -> None:
    job = shop.buy.delay("apple")
    shop.damage("pyqueue_job", "payload", b"apple", b"appla", fitting=True)
    shop.work()
    assert (shop.calls, job.get(timeout=5)) == (["appla"], "appla")


@pytest.mark.parametrize("changed", ["NULL", "x''", "zeroblob(9)", "CAST(payload || x'00' AS BLOB)"])
def test_cut_and_missing_arguments_are_not_run(shop: Shop, changed: str) -> None:
    job = shop.buy.delay("apple")
    with closing(sqlite3.connect(shop.db)) as connection, connection:
        connection.execute(f"UPDATE pyqueue_job SET payload={changed}")
    shop.work()
    assert (shop.calls, shop.app.store.view(job.id).state) == ([], "dead")


def ended(shop: Shop, what: str) -> AsyncResult[Any]:
    job = shop.buy.delay(what)
    shop.work()
    return job


def test_a_damaged_result_is_not_returned(shop: Shop) -> None:
    job = ended(shop, "apple")
    shop.damage("pyqueue_history", "result", b"apple", b"appla", fitting=False)
    for ask in (lambda: job.get(timeout=5), lambda: job.result):
        with pytest.raises(CorruptPayload, match="result doesn't match its checksum"):
            ask()
    assert job.state == "SUCCESS", "the task did run"


def test_control_a_damaged_result_whose_checksum_fits_is_returned(shop: Shop) -> None:
    job = ended(shop, "apple")
    shop.damage("pyqueue_history", "result", b"apple", b"appla", fitting=True)
    assert job.get(timeout=5) == "appla"


@pytest.mark.parametrize("fitting", [False, True])
def test_damaged_arguments_of_a_failed_job_are_not_replayed(shop: Shop, fitting: bool) -> None:
    job = ended(shop, "nothing")
    shop.damage("pyqueue_history", "payload", b"nothing", b"anythin", fitting=fitting)
    again = shop.app.store.replay(job.id)
    shop.work()
    assert (again is not None, shop.calls) == (fitting, ["nothing", "anythin"][: 1 + fitting])


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "content_type", ["application/x-python-serialize", "pickle", "application/x-yaml", "application/data", ""]
)
def test_a_pickle_is_dead_lettered_and_not_read(shop: Shop, tmp_path: Path, content_type: str) -> None:
    body = pickle.dumps(((Canary(tmp_path / "executed"),), {}, {}))
    ((id, _),) = shop.app.store.enqueue([NewJob("shop.buy", body, content_type=content_type)])
    shop.work()
    assert (shop.calls, shop.app.store.view(id).state) == ([], "dead")
    with pytest.raises(DecodeError, match="content type"):
        shop.app.AsyncResult(id).get(timeout=5)
    assert not (tmp_path / "executed").exists()
    pickle.loads(body)
    assert (tmp_path / "executed").exists(), "control: it is a canary"


def test_a_result_in_a_pickle_is_not_read(shop: Shop, tmp_path: Path) -> None:
    job = ended(shop, "apple")
    body = pickle.dumps(Canary(tmp_path / "executed"))
    with closing(sqlite3.connect(shop.db)) as connection, connection:
        connection.execute(
            "UPDATE pyqueue_history SET result=?, checksum=?, content_type='application/x-python-serialize'",
            (body, zlib.crc32(body)),
        )
    with pytest.raises(DecodeError, match="content type"):
        job.get(timeout=5)
    assert not (tmp_path / "executed").exists()


CANARY = (
    "from pathlib import Path\nPath(__file__).with_name('executed').touch()\nclass Boom(Exception): ...\n"
)


def test_no_name_in_the_file_is_imported(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "canary.py").write_text(CANARY)
    monkeypatch.syspath_prepend(tmp_path)
    tasks = ["canary.run", "canary", "canary:run", "os.system", "builtins.eval", "../canary", "canary.py:run"]
    ids = [id for id, _ in shop.app.store.enqueue([NewJob(name, b"{}") for name in tasks])]
    shop.work()
    job = ended(shop, "nothing")
    with closing(sqlite3.connect(shop.db)) as connection, connection:
        connection.execute("UPDATE pyqueue_history SET error='canary.Boom' WHERE error LIKE '%ValueError'")
    with pytest.raises(TaskFailed, match=r"canary\.Boom"):
        job.get(timeout=5)
    assert {shop.app.AsyncResult(id).state for id in ids} == {"FAILURE"}
    assert not (tmp_path / "executed").exists()
    __import__("canary")
    assert (tmp_path / "executed").exists(), "control: it is a canary"


@pytest.mark.parametrize(
    "error",
    [
        "builtins.SystemExit",
        "builtins.KeyboardInterrupt",
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "",
        ".",
    ],
)
def test_only_a_loaded_exception_is_made_again(shop: Shop, error: str) -> None:
    job = ended(shop, "nothing")
    with closing(sqlite3.connect(shop.db)) as connection, connection:
        connection.execute("UPDATE pyqueue_history SET error=?", (error,))
    with pytest.raises(TaskFailed):
        job.get(timeout=5)
