"""``pyqueue doctor``: looks for what can go wrong, and says what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyqueue.cli import disk
from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED
from pyqueue.cli.file import add_options, existing, named_if_any
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import coloured, plain, print_json
from pyqueue.doctor import machine, place, queue, users
from pyqueue.doctor.finding import Finding, worst
from pyqueue.exceptions import QueueError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "doctor",
        "Looks at the file, its disk, its users and the copies of SQLite here, and says what to do. Reads the whole "
        "file. The exit code is 1 when there is a problem; a warning is none.",
        ("pyqueue doctor", "pyqueue doctor --db jobs.db --json"),
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    path = named_if_any(arguments)
    findings = list(machine.look())
    if path is not None:
        # Raises where there is no file, before anything is said.
        store = existing(arguments)
        if os.path.exists(path):
            findings += [*place.look(path, disk.facts(path)), *users.look(path)]
        try:
            findings += queue.look(store)
        except QueueError as error:
            findings.append(Finding("queue", "problem", str(error)))
    if arguments.json:
        print_json(path, {"worst": worst(findings), "findings": [each._asdict() for each in findings]})
    else:
        _print(path, findings)
    return EXIT_FAILED if worst(findings) == "problem" else EXIT_DONE


def _print(path: str | None, findings: list[Finding]) -> None:
    print("db:", plain(path) if path is not None else "none is named; only this machine is looked at")
    width = max(len(each.check) for each in findings)
    for each in findings:
        print(f"{coloured(each.level, each.level.ljust(7))}  {each.check.ljust(width)}  {plain(each.seen)}")
        if each.advice is not None:
            print(f"{' ' * (width + 11)}-> {plain(each.advice)}")
