"""``pyqueue call``: makes a job of a task by its name; the app is not loaded."""

from __future__ import annotations

import json
import os
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from pyqueue.cli.ending import code_of_state, object_of, print_ending
from pyqueue.cli.file import add_options, named, note
from pyqueue.cli.numbers import seconds
from pyqueue.cli.parser import add_command
from pyqueue.cli.words import print_json
from pyqueue.exceptions import DecodeError
from pyqueue.tags import untagged

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from typing import Any


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "call",
        "Makes a job of a task, by the task's name, and prints the job's id. Nothing is imported, so a "
        "misspelt name is only met by a worker.",
        (
            "pyqueue call app.add --args '[2, 3]' --wait 10",
            'pyqueue call app.mail --kwargs \'{"to": "a@example.org"}\' --queue mail --countdown 60',
        ),
    )
    parser.add_argument("task", metavar="TASK", help="the task's name, such as app.add")
    parser.add_argument("--args", type=_list, default=[], metavar="JSON", help="a list: '[2, 3]'")
    parser.add_argument("--kwargs", type=_object, default={}, metavar="JSON", help="an object: '{\"x\": 2}'")
    parser.add_argument("--queue", metavar="NAME", help="the queue (default: the configured one)")
    parser.add_argument("--priority", type=int, metavar="N", help="-128 to 127, higher runs first")
    parser.add_argument("--countdown", type=seconds, metavar="SECONDS", help="not before so long from now")
    parser.add_argument("--dedup-key", metavar="KEY", help="no second unfinished job of this queue and key")
    parser.add_argument("--wait", type=seconds, metavar="SECONDS", help="wait so long and show the result")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    # Here and not above: completion and help need nothing that sends.
    from pyqueue.app import PyQueue  # noqa: PLC0415

    path = named(arguments)
    if not os.path.exists(path):
        note(f"making the queue file {path}")
    app = PyQueue(path)
    # A setting for tests must not keep the job out of the file.
    app.conf.task_always_eager = False
    options = {name: getattr(arguments, name) for name in ("queue", "priority", "countdown", "dedup_key")}
    given: Any = {name: value for name, value in options.items() if value is not None}
    job = app.send_task(arguments.task, arguments.args, arguments.kwargs, **given)
    told: dict[str, Any] = {"id": job.id, "created": job.created}
    if not arguments.json:
        # At once: the wait may be long, or be interrupted.
        print(job.id, flush=True)
        if not job.created:
            note("a job with this dedup key is there already; this is its id")
    if arguments.wait is None:
        if arguments.json:
            print_json(path, told)
        return 0
    view = app.store.wait(job.id, round(arguments.wait * 1e6))
    if arguments.json:
        print_json(path, told | object_of(job.id, view, False))
    else:
        print_ending(app.store, job.id, view, False)
    return code_of_state(view.state)


def _list(text: str) -> list[Any]:
    value = _json(text)
    if not isinstance(value, list):
        raise ArgumentTypeError(f"{text!r} is no JSON list such as '[2, 3]'")
    return value


def _object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise ArgumentTypeError(f"{text!r} is no JSON object such as '{{\"x\": 2}}'")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_hook=untagged)
    except (ValueError, DecodeError, RecursionError, TypeError, LookupError, ArithmeticError) as error:
        raise ArgumentTypeError(f"it is no JSON: {error}") from None
