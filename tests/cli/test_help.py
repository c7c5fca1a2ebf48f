"""Every command explains itself, with examples that parse."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue.cli.commands import COMMANDS
from pyqueue.cli.parser import parser_of

Cli = Callable[..., subprocess.CompletedProcess[str]]

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
OURS = sorted(COMMANDS.keys() - {"demo"})
WITHOUT_JSON = {"completion", "sql", "worker"}


def subparser(name: str) -> argparse.ArgumentParser:
    (action,) = (each for each in parser_of(name)._actions if isinstance(each, argparse._SubParsersAction))
    found: argparse.ArgumentParser = action.choices[name]
    return found


def examples(name: str) -> list[str]:
    epilog = subparser(name).epilog or ""
    return re.findall(r"^  (pyqueue .*)$", epilog, re.MULTILINE)


def test_help_lists_every_command_and_goes_to_standard_output(cli: Cli) -> None:
    done = cli("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert cli("-h").stdout == done.stdout
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_no_command_is_wrong_use_that_helps(cli: Cli) -> None:
    done = cli()
    assert (done.returncode, done.stdout) == (64, "")
    assert "commands:" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_has_help(cli: Cli, name: str) -> None:
    done = cli(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: pyqueue {name}")


@pytest.mark.parametrize("name", OURS)
def test_every_command_has_examples_that_parse(name: str) -> None:
    found = examples(name)
    assert found
    for line in found:
        words = shlex.split(re.sub(r"\$\(.*?\)", "ID", line.split(" > ")[0]), comments=True)
        parser_of(name).parse_args(words[1:])
    assert "--json" in subparser(name).format_help() or name in WITHOUT_JSON


@pytest.mark.parametrize("name", COMMANDS)
def test_the_documents_have_every_command(name: str) -> None:
    assert re.search(rf"`pyqueue {name}\b|`{name}\b", DOCS)
