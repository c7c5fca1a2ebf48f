"""Which file a command is about, and that reading makes none."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue import PyQueue

Cli = Callable[..., subprocess.CompletedProcess[str]]

READING = [("status",), ("list",), ("show", "x"), ("result", "x"), ("why", "x")]
ACTING = [
    ("cancel", "x"),
    ("settle", "x", "--commit"),
    ("retry", "x"),
    ("retry", "--failed"),
    ("purge", "q", "--force"),
    ("pause", "--queue", "q"),
    ("resume", "--task", "t"),
]


def make(path: Path) -> str:
    app = PyQueue(path)
    _ = app.store.queues()
    return str(path)


def chosen(cli: Cli, *arguments: str, **environment: str) -> str:
    done = cli("status", "--json", *arguments, **environment)
    assert done.returncode == 0, done
    return str(json.loads(done.stdout)["db"])


def test_the_option_beats_the_environment_beats_pyproject_beats_the_usual_name(
    cli: Cli, tmp_path: Path
) -> None:
    usual, project, environment, option = (
        make(tmp_path / name) for name in ("jobs.db", "project.db", "environment.db", "option.db")
    )
    assert chosen(cli) == usual
    (tmp_path / "pyproject.toml").write_text("[tool.pyqueue]\ndb = 'project.db'\n")
    assert chosen(cli) == project
    assert chosen(cli, PYQUEUE_DB="environment.db") == environment
    assert chosen(cli, "--db", "option.db", PYQUEUE_DB="environment.db") == option


@pytest.mark.parametrize(
    "text", ["[tool.pyqueue]\ndb = 5\n", "[tool", "\xff", "tool = 5\n", "[tool]\npyqueue = 'x'\n"]
)
def test_a_wrong_pyproject_is_said(cli: Cli, tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    done = cli("status")
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert "pyproject.toml" in done.stderr


@pytest.mark.parametrize("text", ["", "[tool.pyqueue]\n"])
def test_a_pyproject_without_a_file_is_passed_over(cli: Cli, tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert chosen(cli, "--db", make(tmp_path / "jobs.db")) == chosen(cli)


@pytest.mark.parametrize("arguments", [*READING, *ACTING, ("call", "app.add")], ids=" ".join)
def test_without_a_file_there_is_one_sentence_and_nothing_is_made(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = cli(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
    assert "--db" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [*READING, *ACTING], ids=" ".join)
def test_no_file_and_an_empty_one_are_left_as_they_are(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = cli(*arguments, "--db", "none.db")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.db").touch()
    done = cli(*arguments, "--db", "empty.db")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("empty.db", 0)]


@pytest.mark.parametrize("arguments", [*READING, *ACTING], ids=" ".join)
def test_another_programs_file_is_refused_unchanged(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE own(x)")
    connection.commit()
    connection.close()
    before = (tmp_path / "other.db").read_bytes()
    done = cli(*arguments, "--db", "other.db")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (65, "", 1)
    assert (tmp_path / "other.db").read_bytes() == before


def test_a_queue_in_the_applications_own_file_is_read(cli: Cli, tmp_path: Path) -> None:
    program = (
        "import sqlite3; sqlite3.connect('own.db').execute('CREATE TABLE own(x)').connection.close(); "
        "from pyqueue import PyQueue; PyQueue('own.db', embed=True).send_task('app.add')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    done = cli("list", "--json", "--db", "own.db")
    assert len(json.loads(done.stdout)["jobs"]) == 1
