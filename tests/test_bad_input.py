"""Bad input loses nothing: the judges are judged here, and each family of input has its file in bad_input/."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bad_input.judging import contents, is_sentence, rows, unchanged

from pyqueue import PyQueue

FAMILIES = {
    "test_bad_arguments.py": "values that are no JSON, too large, too deep, or no arguments at all",
    "test_bad_options.py": "names, priorities, times and ids that can't be",
    "test_bad_files.py": "files that can't be a queue",
    "test_bad_shares.py": "files on a file system that other machines share",
    "test_bad_asking.py": "results that can't come: no worker, unknown task, the only slot, unknown id",
    "test_bad_apps.py": "apps that can't be found or loaded",
    "test_bad_raising.py": "tasks that raise what can't be kept",
    "test_bad_children.py": "tasks that harm the process they run in",
    "test_bad_lives.py": "tasks that don't end when they should, and apps that never load",
    "test_bad_workflows.py": "workflows that could not be stored, or could not end",
    "test_bad_stopping.py": "workers of one name, stopped twice",
}


def test_each_family_of_bad_input_has_its_file() -> None:
    folder = Path(__file__).parent / "bad_input"
    assert {path.name for path in folder.glob("test_*.py")} == set(FAMILIES)


def test_control_a_changed_row_is_noticed(tmp_path: Path) -> None:
    app = PyQueue(tmp_path / "jobs.db")
    id = app.send_task("a").id
    with unchanged(tmp_path / "jobs.db"):
        assert app.AsyncResult(id).state == "PENDING"
    with pytest.raises(AssertionError), unchanged(tmp_path / "jobs.db"):
        app.send_task("b")
    before = rows(tmp_path / "jobs.db")
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection, connection:
        connection.execute("UPDATE pyqueue_job SET losses = losses + 1")
    assert rows(tmp_path / "jobs.db") != before
    assert {"pyqueue_job", "pyqueue_history", "pyqueue_inbox", "pyqueue_head"} <= before.keys()


def test_control_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ab")
    before = contents(tmp_path)
    (tmp_path / "a").write_bytes(b"aB")
    assert contents(tmp_path) != before


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last): no queue; use another",
        "there is no queue\nuse another",
        "there is no queue",
        "use another",
        "there is no queue; use another " + "x" * 500,
    ],
)
def test_control_what_is_no_sentence_is_refused(text: str) -> None:
    assert not is_sentence(text, happened="no queue", do="use")
    assert is_sentence("there is no queue; use another", happened="no queue", do="use")
