"""Times, colours and columns as people see them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue import PyQueue
from pyqueue.cli import times
from pyqueue.cli.table import table
from pyqueue.cli.words import plain, shortened

Cli = Callable[..., subprocess.CompletedProcess[str]]
Terminal = Callable[..., tuple[int, str]]

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (0, "0 ms ago"),
        (59 * SECOND, "59 s ago"),
        (119 * SECOND, "119 s ago"),
        (180 * SECOND, "3 m ago"),
        (7_200 * SECOND, "2 h ago"),
        (3 * 86_400 * SECOND, "3 d ago"),
        (-600 * SECOND, "in 10 m"),
    ],
)
def test_age(gone: int, said: str) -> None:
    assert times.age(10**15 - gone, 10**15) == said


def test_instants() -> None:
    assert times.iso(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"
    assert times.iso(None) is None
    assert times.local(None, 0) == "-"


@pytest.mark.parametrize("instant", [2**63 - 1, -(2**63)])
def test_an_instant_that_no_calendar_has_is_still_shown(instant: int) -> None:
    assert str(times.iso(instant))
    assert times.local(instant, 0)


def test_nothing_from_a_file_steers_the_terminal() -> None:
    assert plain("a\x1b[2Jb\r\n\u202e\t") == "a\\x1b[2Jb\\r\\n\\u202e\\t"
    assert plain("a\n\tb", keep="\n\t") == "a\n\tb"
    assert plain("größer 木") == "größer 木"


def test_shortened() -> None:
    assert shortened("12345", 5) == "12345"
    assert shortened("123456", 5) == "12..."


def test_columns() -> None:
    assert table(["name", "n"], [["a", "1"], ["bcdef", "20"]]) == "name    n\na       1\nbcdef  20"


def test_colour_is_for_terminals_that_want_it(cli: Cli, terminal: Terminal, tmp_path: Path) -> None:
    PyQueue(tmp_path / "jobs.db").send_task("app.add").revoke()
    assert "\x1b[" in terminal("list")[1]
    assert "\x1b[" not in terminal("list", NO_COLOR="1")[1]
    assert "\x1b[" not in terminal("list", TERM="dumb")[1]
    assert "\x1b[" not in cli("list").stdout


def test_text_that_the_terminal_cant_write_is_escaped(cli: Cli, tmp_path: Path) -> None:
    PyQueue(tmp_path / "jobs.db").send_task("app.größer")
    done = cli("list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "app.gr\\xf6\\xdfer" in done.stdout
