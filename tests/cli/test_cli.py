from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue

APP = "from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n@app.task\ndef add(x, y): return x + y\n"


Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_version(cli: Cli) -> None:
    done = cli("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("pyqueue ")
    assert "SQLite 3." in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nothing",),
        ("worker", "-c", "0"),
        ("worker", "-c", "many"),
        ("worker", "-Q", ","),
        ("worker", "-l", "loud"),
        ("worker",),
        ("worker", "-A", "no_such_module"),
        ("worker", "-A", "no_such_file.py"),
        ("status",),
        ("demo",),
        ("demo", "catalog", "no/such/folder"),
    ],
)
def test_wrong_use_is_64_and_no_traceback(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert done.returncode == 64, done
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_an_error_is_one_sentence_and_a_traceback_only_with_v(cli: Cli) -> None:
    done = cli("worker", "-A", "no_such_module")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("pyqueue: ")
    assert "Traceback" in cli("worker", "-v", "-A", "no_such_module").stderr


def test_a_missing_folder_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    done = cli("worker", "--db", "no/such/jobs.db")
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert "no/such" in done.stderr


def test_an_app_without_a_file_says_so(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP.replace("'jobs.db'", ""))
    done = cli("worker", "--burst")
    assert done.returncode == 64
    assert "PYQUEUE_DB" in done.stderr


def test_an_error_in_the_users_module_shows_its_traceback(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import no_such_library\n")
    done = cli("worker", "--db", "jobs.db")
    assert done.returncode == 1
    assert "import no_such_library" in done.stderr


@pytest.mark.parametrize("how", ["file", "module", "environment", "pyproject", "tasks.py", "app.py"])
def test_the_app_is_found(cli: Cli, tmp_path: Path, how: str) -> None:
    file = how if how.endswith(".py") else "own.py"
    (tmp_path / file).write_text(APP)
    flags = {"file": ("-A", "own.py"), "module": ("-A", "own:app")}.get(how, ())
    environment = {"PYQUEUE_APP": "own:app"} if how == "environment" else {}
    if how == "pyproject":
        (tmp_path / "pyproject.toml").write_text("[tool.pyqueue]\napp = 'own:app'\n")
    result = PyQueue(tmp_path / "jobs.db").send_task(f"{file[:-3]}.add", (2, 3))
    done = (
        cli("worker", "--db", "jobs.db", "--burst", "-c", "1", **environment)
        if not flags
        else cli("worker", "--db", "jobs.db", "--burst", "-c", "1", *flags)
    )
    assert done.returncode == 0, done
    assert result.get(timeout=0) == 5


def test_the_app_is_never_taken_from_the_queue_file(cli: Cli, tmp_path: Path) -> None:
    PyQueue(tmp_path / "jobs.db").send_task("os.system", ("touch hit",))
    done = cli("worker", "--db", "jobs.db", "--burst")
    assert done.returncode == 64
    assert not (tmp_path / "hit").exists()


def test_the_files_of_the_folder_do_not_stand_in_for_the_standard_library(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    for name in ("random", "traceback", "logging"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    result = PyQueue(tmp_path / "jobs.db").send_task("app.add", (2, 3))
    # As the installed command does, which has no current directory on its path.
    program = "import sys; from pyqueue.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "worker", "--burst", "-c", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done
    assert result.get(timeout=0) == 5


def test_status_shows_queues_and_workers_with_all_workers_down(cli: Cli, tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "jobs.db")
    app.send_task("app.add", (1, 2), queue="mail")
    app.send_task("app.add", (1, 2), queue="mail", countdown=60)
    done = cli("status", "--db", "jobs.db", "--json")
    shown: dict[str, Any] = json.loads(done.stdout)
    assert shown["schema"] == 1
    assert shown["db"] == str(tmp_path / "jobs.db")
    assert shown["workers"] == []
    (queue,) = (each for each in shown["queues"] if each["name"] == "mail")
    assert (queue["waiting"], queue["delayed"], queue["running"], queue["paused"]) == (1, 1, 0, False)
    text = cli("status", PYQUEUE_DB="jobs.db").stdout
    assert "mail" in text
    assert "no workers" in text


def test_status_of_no_file_is_69_and_of_a_foreign_file_65(cli: Cli, tmp_path: Path) -> None:
    done = cli("status", "--db", "no.db")
    assert (done.returncode, done.stderr.count("\n")) == (69, 1)
    assert not (tmp_path / "no.db").exists()
    (tmp_path / "text.db").write_text("this is no database, and is long enough to have a header" * 20)
    done = cli("status", "--db", "text.db")
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)
