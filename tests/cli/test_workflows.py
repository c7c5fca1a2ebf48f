"""Workflows on the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue, chain, chord, group

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def made(app: PyQueue) -> Any:
    @app.task(name="echo")
    def echo(value: Any = None) -> Any:
        return value

    made: Any = (chain(echo.s(1), group(echo.s(), echo.s()), echo.s()) | echo.s()).delay()
    return made


def test_the_tree_of_a_workflow(app: PyQueue, made: Any, cli: Cli) -> None:
    done = cli("show", "--tree", made.id)
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first.endswith(": running, 5 jobs")
    assert [line.replace(made.id, "ID").split()[0] for line in lines] == [
        "waiting",
        "list",
        "held",
        "held",
        "held",
        "held",
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [2, 2, 4, 4, 2, 2]
    assert lines[1].strip() == "list of 2: 0 ended"
    assert lines[-1].endswith(made.id)
    name = first.split()[1].rstrip(":")
    assert cli("show", "--tree", name).stdout == done.stdout
    shown = json.loads(cli("show", "--tree", "--json", made.id).stdout)
    assert (shown["workflow"], shown["state"], shown["jobs"], shown["ended"]) == (name, "running", 5, None)
    assert sum(each["inputs"] for each in shown["nodes"]) == 5


def test_the_tree_of_what_is_in_none(app: PyQueue, cli: Cli) -> None:
    alone = app.send_task("echo")
    done = cli("show", "--tree", alone.id)
    assert (done.returncode, done.stdout) == (69, "")
    assert "in no workflow" in done.stderr
    assert "holds no job or workflow" in cli("show", "--tree", "nobody").stderr


def test_the_list_of_workflows(app: PyQueue, made: Any, cli: Cli) -> None:
    app.send(chord([app.signature("echo")], app.signature("echo")))
    lines = cli("list", "--workflow").stdout.splitlines()
    assert [line.split()[1:3] for line in lines] == [["state", "jobs"], ["running", "2"], ["running", "5"]]
    shown = json.loads(cli("list", "--workflow", "--json", "--limit", "1").stdout)
    assert [each["jobs"] for each in shown["workflows"]] == [2]


def test_no_workflows(app: PyQueue, cli: Cli) -> None:
    app.send_task("echo")
    assert cli("list", "--workflow").stdout == "no workflows\n"


def test_cancelling_a_workflow(app: PyQueue, made: Any, cli: Cli) -> None:
    done = cli("cancel", "--workflow", made.id)
    assert (done.returncode, done.stdout) == (0, "1 workflow cancelled\n")
    assert made.state == "REVOKED"
    assert made.parent.parent.parent.state == "REVOKED"
    missing = cli("cancel", "--workflow", "nobody")
    assert missing.returncode == 69
    assert "holds no workflow nobody" in missing.stderr


def test_a_long_chain_is_shown_flat(app: PyQueue, cli: Cli, tmp_path: Path) -> None:
    made = app.send(chain(*[app.signature("echo")] * 2_000))
    lines = cli("show", "--tree", made.id).stdout.splitlines()
    assert len(lines) == 2_001
    assert {len(line) - len(line.lstrip()) for line in lines[1:]} == {2}
