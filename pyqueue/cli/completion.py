"""``pyqueue completion``: scripts made from the parsers, so that they know every option and stay static."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

from pyqueue.cli.commands import COMMANDS
from pyqueue.cli.parser import add_command, parser_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Iterator

FILES = ("FILE", "APP")
"""The metavars of options that take a file."""


class Level(NamedTuple):
    """What may follow some words: the names of commands or fixed answers, options, and their values."""

    words: tuple[str, ...]
    names: dict[str, str]
    flags: dict[str, str]
    files: tuple[str, ...]
    silent: tuple[str, ...]
    choices: dict[str, tuple[str, ...]]


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "completion",
        "Prints a script that completes commands and options in your shell.",
        (
            "pyqueue completion bash > ~/.local/share/bash-completion/completions/pyqueue",
            "pyqueue completion zsh > ~/.zfunc/_pyqueue    # a folder of $fpath",
        ),
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    found = list(levels(parser_of(*COMMANDS)))
    print(bash(found) if arguments.shell == "bash" else zsh(found))
    return 0


def levels(parser: ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[Level]:
    """The parser and those below it."""
    names: dict[str, str] = {}
    flags: dict[str, str] = {}
    files: list[str] = []
    silent: list[str] = []
    choices: dict[str, tuple[str, ...]] = {}
    below = {}
    for action in parser._actions:  # the tree has no other door
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
            names |= {each.dest: each.help or "" for each in action._choices_actions}
        elif not action.option_strings:
            names |= {str(choice): "" for choice in action.choices or ()}
        else:
            flags |= dict.fromkeys(
                action.option_strings, (action.help or "").replace("%(default)s", str(action.default))
            )
            if action.nargs == 0:
                continue
            if action.choices:
                choices |= dict.fromkeys(action.option_strings, tuple(map(str, action.choices)))
            else:
                (files if action.metavar in FILES else silent).extend(action.option_strings)
    if not words:
        flags["--version"] = "show the version"
    yield Level(words, names, flags, tuple(files), tuple(silent), choices)
    for name, each in below.items():
        yield from levels(each, (*words, name))


def bash(found: list[Level]) -> str:
    """A completion script for bash."""
    cases = "\n".join(_bash_case(level) for level in reversed(found))
    return f"""\
# bash completion for pyqueue; made by: pyqueue completion bash
_pyqueue() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words i
    COMPREPLY=()
    words=
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${{COMP_WORDS[i]}} == -* ]] && break
        words+=" ${{COMP_WORDS[i]}}"
    done
    case "$words " in
{cases}
    esac
}}
complete -F _pyqueue pyqueue"""


def _bash_case(level: Level) -> str:
    pattern = "".join(f" {word}" for word in level.words)
    values = []
    if level.files:
        values.append(f'{"|".join(level.files)}) COMPREPLY=($(compgen -f -- "$current")); return ;;')
    values += [
        f'{flag}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$current")); return ;;'
        for flag, words in level.choices.items()
    ]
    if level.silent:
        values.append(f"{'|'.join(level.silent)}) return ;;")
    lines = [
        f'        "{pattern} "*)',
        '            case "$previous" in',
        *(f"                {each}" for each in values),
    ]
    lines += [
        "            esac",
        f'            COMPREPLY=($(compgen -W "{" ".join((*level.names, *level.flags))}" -- "$current")) ;;',
    ]
    return "\n".join(lines)


def zsh(found: list[Level]) -> str:
    """A completion script for zsh."""
    cases = "\n".join(_zsh_case(level) for level in reversed(found))
    return f"""\
#compdef pyqueue
# zsh completion for pyqueue; made by: pyqueue completion zsh
_pyqueue() {{
    local line= i
    for ((i = 2; i < CURRENT; i++)); do
        [[ ${{words[i]}} == -* ]] && break
        line+=" ${{words[i]}}"
    done
    local -a names flags
    case "$line " in
{cases}
    esac
}}
_pyqueue "$@\""""


def _zsh_case(level: Level) -> str:
    pattern = "".join(f" {word}" for word in level.words)
    values = []
    if level.files:
        values.append(f"{'|'.join(level.files)}) _files; return ;;")
    values += [f"{flag}) compadd -- {' '.join(words)}; return ;;" for flag, words in level.choices.items()]
    if level.silent:
        values.append(f"{'|'.join(level.silent)}) return ;;")
    lines = [
        f'        "{pattern} "*)',
        '            case "${words[CURRENT-1]}" in',
        *(f"                {each}" for each in values),
    ]
    lines.append("            esac")
    for kind, offered in (("names", level.names), ("flags", level.flags)):
        if offered:
            said = " ".join(_described(name, text) for name, text in offered.items())
            lines += [f"            {kind}=({said})", f"            _describe '{kind}' {kind}"]
    return "\n".join((*lines, "            ;;"))


def _described(name: str, text: str) -> str:
    plain = text.replace("'", "").replace(":", "\\:")
    return f"'{name}:{plain}'" if plain else f"'{name}'"
