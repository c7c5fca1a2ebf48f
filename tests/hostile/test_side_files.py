"""What lies beside the file: who may read it, and what happens where somebody has put something else there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_input.judging import contents, said

from pyqueue import PyQueue
from pyqueue.exceptions import FileRefused, QueueError

HANG = 10

USE = """
import os, sys
os.umask(int(sys.argv[2], 8))
from pyqueue import PyQueue
from pyqueue.exceptions import QueueError
app = PyQueue(sys.argv[1])
try:
    app.send_task("t")
    worker = app.store.join("w", 1, 30_000_000)
    app.store.finish([(job, __import__("pyqueue")._core.Outcome.success()) for job in app.store.claim(worker, 9)])
    app.store.workers(), app.store.reap()
except QueueError as error:
    print(error, file=sys.stderr)
    sys.exit(9)
"""


def use(db: Path, umask: str = "022") -> subprocess.CompletedProcess[str]:
    """Another process makes a job, runs it and looks for dead workers. A hang is an error of the test."""
    return subprocess.run(
        [sys.executable, "-c", USE, str(db), umask],
        check=False,
        capture_output=True,
        text=True,
        timeout=HANG * 3,
    )


@pytest.fixture
def db(tmp_path: Path) -> Path:
    assert use(tmp_path / "jobs.db").returncode == 0
    return tmp_path / "jobs.db"


def side(db: Path) -> Path:
    return db.with_name(db.name + "-pyqueue")


def link_bell(db: Path) -> None:
    (side(db) / "bell").unlink()
    (side(db) / "bell").symlink_to(db.with_name("victim"))


def pipe_bell(db: Path) -> None:
    (side(db) / "bell").unlink()
    os.mkfifo(side(db) / "bell")


def folder_bell(db: Path) -> None:
    (side(db) / "bell").unlink()
    (side(db) / "bell").mkdir()


def foreign_bell(db: Path) -> None:
    (side(db) / "bell").write_bytes(b"another program's" * 300)


def empty_side(db: Path) -> None:
    for each in side(db).iterdir():
        each.unlink()
    side(db).rmdir()


def link_side(db: Path) -> None:
    empty_side(db)
    db.with_name("elsewhere").mkdir()
    side(db).symlink_to(db.with_name("elsewhere"))


def file_side(db: Path) -> None:
    empty_side(db)
    side(db).write_text("a file")


def open_side(db: Path) -> None:
    side(db).chmod(0o777)


def group_side(db: Path) -> None:
    side(db).chmod(0o770)


def others_side(db: Path) -> None:
    os.chown(side(db), 65534, 65534)


def wal_of(kind: Callable[[Path], object]) -> Callable[[Path], None]:
    def put(db: Path) -> None:
        kind(db.with_name(db.name + "-wal"))

    put.__name__ = f"wal_{kind.__name__}"
    return put


def link_to_victim(path: Path) -> None:
    path.symlink_to(path.with_name("victim"))


def shm_link(db: Path) -> None:
    link_to_victim(db.with_name(db.name + "-shm"))


@pytest.mark.parametrize(
    "harm",
    [
        link_bell, pipe_bell, folder_bell, foreign_bell, link_side, file_side, open_side, group_side, others_side,
        wal_of(Path.mkdir), wal_of(os.mkfifo), wal_of(link_to_victim), shm_link,
    ],
    ids=lambda harm: harm.__name__,
)  # fmt: skip
def test_what_somebody_put_there_is_refused_and_not_followed(db: Path, harm: Callable[[Path], None]) -> None:
    if harm is others_side and os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    db.with_name("victim").write_bytes(b"precious")
    harm(db)
    before = db.read_bytes(), db.with_name("victim").read_bytes()
    ended = use(db)
    assert ended.returncode == 9, ended
    assert (db.read_bytes(), db.with_name("victim").read_bytes()) == before
    assert not db.with_name("elsewhere").exists() or contents(db.with_name("elsewhere")) == {}


def test_a_directory_open_to_others_is_refused_with_advice(db: Path) -> None:
    side(db).chmod(0o777)
    with pytest.raises(FileRefused) as caught:
        PyQueue(db).send_task("t")
    said(caught.value, happened="more users may write .* than to the database", do="remove it and open")


def test_a_group_that_shares_the_file_may_share_the_directory(db: Path) -> None:
    db.chmod(0o660)
    side(db).chmod(0o770)
    assert use(db).returncode == 0


@pytest.mark.parametrize("name", ["worker-1.lock", "worker-1.page"])
@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, link_to_victim], ids=lambda put: put.__name__)
def test_what_lies_in_a_workers_place_is_no_sign_and_nothing_to_wait_for(
    db: Path, name: str, put: Callable[[Path], object]
) -> None:
    app = PyQueue(db)
    number = app.store.join("gone", 1, 1)
    path = side(db) / name.replace("1", str(number))
    put(path)
    # Either it says that the worker is dead, or its lease does.
    assert use(db).returncode == 0


CUT = """
import sys, threading
from pyqueue import PyQueue
app = PyQueue(sys.argv[1])
job = app.send_task("t")
print("ready", flush=True)
for line in sys.stdin:
    app.send_task("t")
    job.get(timeout=0.001, propagate=False) if line == "wait" else app.store.wait(job.id, 1000)
    print("alive", flush=True)
"""


def test_a_bell_that_is_cut_while_it_is_mapped_harms_nobody(db: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CUT, str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for length in (0, 1, 100, 0):
            os.truncate(side(db) / "bell", length)
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "alive\n"
        process.stdin.close()
    assert process.returncode == 0


def modes(db: Path) -> dict[str, int]:
    return {
        str(path.relative_to(db.parent)): stat.S_IMODE(path.lstat().st_mode)
        for path in [*db.parent.glob(db.name + "*"), *side(db).iterdir()]
    }


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_every_file_is_its_owners_alone_whatever_the_umask(
    tmp_path: Path, umask: str, worker: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text("from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n")
    before = os.umask(int(umask, 8))
    try:
        worker("-c", "1")
    finally:
        os.umask(before)
    found = modes(tmp_path / "jobs.db")
    assert found.pop("jobs.db-pyqueue") == 0o700
    assert {"jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db-pyqueue/bell"} < found.keys()
    assert any(name.endswith(".lock") for name in found)
    assert any(name.endswith(".page") for name in found)
    assert set(found.values()) == {0o600}, found


AS_NOBODY = """
import os, sys
from pathlib import Path
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
db = Path(sys.argv[1])
side = db.with_name(db.name + "-pyqueue")
own = db.with_name("own")
acts = {
    "read": lambda: db.read_bytes(),
    "write": lambda: db.open("r+b"),
    "read the log": lambda: db.with_name(db.name + "-wal").read_bytes(),
    "list": lambda: list(side.iterdir()),
    "ring": lambda: (side / "bell").open("r+b"),
    "enter a lock": lambda: (side / "worker-9.lock").touch(),
    "replace": lambda: os.rename("/tmp/none" if not own.exists() else own, db),
    "remove": lambda: db.unlink(),
    "side": lambda: side.rmdir(),
}
for name, act in acts.items():
    try:
        act()
    except (PermissionError, FileNotFoundError):
        continue
    print(name)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are root's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(db: Path) -> list[str]:
    """What another user could do."""
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(db)], check=True, capture_output=True, text=True, timeout=20
    )
    return ended.stdout.splitlines()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_read_nor_write_nor_replace(public: Path) -> None:
    db = public / "jobs.db"
    app = PyQueue(db)
    app.send_task("t", ["secret"])
    assert as_nobody(db) == []
    # Control: the same acts where the rights are another's.
    for each in (*public.glob("jobs.db*"), *side(db).iterdir()):
        each.chmod(0o777)
    assert {"read", "write", "read the log", "list", "ring", "enter a lock"} <= set(as_nobody(db))


def test_a_refusal_of_the_directory_leaves_the_file_as_it_was(db: Path) -> None:
    open_side(db)
    before = db.read_bytes()
    with pytest.raises(QueueError):
        PyQueue(db).store.queues()
    assert db.read_bytes() == before
