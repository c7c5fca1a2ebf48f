"""Completion as the shell itself does it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyqueue.cli.commands import COMMANDS

Cli = Callable[..., subprocess.CompletedProcess[str]]

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_pyqueue
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def completed(cli: Cli, tmp_path: Path) -> Callable[..., set[str]]:
    script = tmp_path / "completion.bash"
    done = cli("completion", "bash")
    assert done.returncode == 0
    script.write_text(done.stdout)

    def ask(*words: str) -> set[str]:
        done = subprocess.run(
            ["bash", "-uec", ASK, "bash", str(script), "pyqueue", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return set(done.stdout.split())

    return ask


def test_commands_options_and_choices(completed: Callable[..., set[str]]) -> None:
    assert completed("") >= {*COMMANDS, "--help", "--version"}
    assert completed("sta") == {"stats", "status"}
    assert completed("list", "--st") == {"--state"}
    assert completed("list", "--state", "d") == {"delayed", "dead"}
    assert completed("demo", "") >= {"catalog"}
    assert completed("demo", "catalog", "--fo") == {"--force"}
    assert completed("completion", "") >= {"bash", "zsh"}
    assert completed("call", "app.add", "--pri") == {"--priority"}


def test_files_where_a_file_is_wanted_and_nothing_where_we_know_nothing(
    completed: Callable[..., set[str]], tmp_path: Path
) -> None:
    (tmp_path / "own.db").touch()
    assert completed("status", "--db", "ow") == {"own.db"}
    assert completed("list", "--limit", "") == set()


def test_zsh_has_every_command_and_option(cli: Cli) -> None:
    script = cli("completion", "zsh").stdout
    assert script.startswith("#compdef pyqueue\n")
    for name in COMMANDS:
        assert f"'{name}:" in script
    for flag in ("--state", "--dedup-key", "--traceback"):
        assert f"'{flag}:" in script


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "_pyqueue").write_text(cli("completion", "zsh").stdout)
    assert subprocess.run(["zsh", "-n", str(tmp_path / "_pyqueue")], check=False).returncode == 0


def test_an_unknown_shell_is_wrong_use(cli: Cli) -> None:
    assert cli("completion", "fish").returncode == 64
    assert cli("completion").returncode == 64
