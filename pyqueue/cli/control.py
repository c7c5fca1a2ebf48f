"""``pyqueue control``: commands to workers, and the record of those that were given."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING, EXIT_TRY_AGAIN, EXIT_USAGE
from pyqueue.cli.file import add_options, existing, note
from pyqueue.cli.numbers import length_of_time, positive, seconds
from pyqueue.cli.parser import add_command
from pyqueue.cli.table import table
from pyqueue.cli.times import clock, iso
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import DecodeError, ImproperlyConfigured, NoAnswer, QueueError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from collections.abc import Mapping
    from typing import Any

    from pyqueue._core import Command, Reply
    from pyqueue.answers import Answers
    from pyqueue.app import PyQueue
    from pyqueue.orders import Order


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "control",
        "Tells workers what to do, and shows what each has answered. Exit code 0: all have done it; 1: one could not, or "
        "ended before it answered; 64: there is no such command, or it is not written so; 69: nobody is there to be told; "
        "75: not all have answered in time.",
        (
            "pyqueue control --list",
            "pyqueue control pool_grow 2 -d mail@host",
            "pyqueue control --pattern 'mail@*' shutdown",
            "pyqueue control time_limit reports.build hard=600",
            "pyqueue control --history",
        ),
    )
    parser.add_argument(
        "words", nargs="*", metavar="COMMAND", help="a command and its arguments, in order or as name=value"
    )
    parser.add_argument(
        "-A",
        "--app",
        metavar="APP",
        help="the app that has the command, for those that are not pyqueue's own",
    )
    parser.add_argument(
        "-d",
        "--destination",
        type=lambda text: [name for name in text.split(",") if name],
        metavar="NAMES",
        help="only these workers, between commas",
    )
    parser.add_argument("--pattern", metavar="GLOB", help="only workers whose name fits, such as 'mail@*'")
    parser.add_argument(
        "-t", "--timeout", type=seconds, metavar="SECONDS", help="how long to wait for answers (default: 1)"
    )
    parser.add_argument(
        "--expires",
        type=length_of_time,
        default=60.0,
        metavar="TIME",
        help="who has not begun by then never will (default: 60)",
    )
    parser.add_argument("--no-reply", action="store_true", help="wait for no answers")
    parser.add_argument("--list", action="store_true", help="show all commands, and those of the app")
    parser.add_argument(
        "--history", action="store_true", help="show the commands that were given, and the answers"
    )
    parser.add_argument(
        "--asking", action="store_true", help="with --history: also those that change nothing"
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=20,
        metavar="N",
        help="with --history: at most so many (default: 20)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    if arguments.list:
        return _list(arguments)
    if arguments.history:
        return _history(arguments)
    if not arguments.words:
        note("say which command; pyqueue control --list shows all")
        return EXIT_USAGE
    return _give(arguments)


def _app(arguments: Namespace, name: str | None) -> PyQueue:
    """The app whose commands are meant: code is loaded where that is asked for, or needed to know the command."""
    from pyqueue import loading  # noqa: PLC0415  most commands need no code of the user's
    from pyqueue.app import PyQueue  # noqa: PLC0415
    from pyqueue.orders import BUILT_IN  # noqa: PLC0415

    if arguments.app is not None or (name not in BUILT_IN and loading.is_named()):
        try:
            app, _ = loading.find(arguments.app)
        except QueueError:
            raise
        except Exception as error:
            raise ImproperlyConfigured(
                f"the app, which may have more commands, can't be loaded: {type(error).__name__}: {error}; -v shows where"
            ) from error
        if arguments.db is not None:
            app.use(arguments.db)
        if name is not None:
            # Whom it is for is in the file, and no file need be made to know that nobody is.
            arguments.db = app.path
            existing(arguments)
    else:
        app = PyQueue(arguments.db) if name is None else PyQueue(existing(arguments).path)
    # A setting for tests must not have another file told.
    app.conf.task_always_eager = False
    return app


def _give(arguments: Namespace) -> int:
    from pyqueue.orders import unknown  # noqa: PLC0415  as above

    name, *words = arguments.words
    app = _app(arguments, name)
    order = app.orders.get(name)
    if order is None:
        raise unknown(name, app.orders)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoAnswer)
        answers = app.control.broadcast(
            name,
            order.of_words(words),
            destination=arguments.destination,
            pattern=arguments.pattern,
            reply=True,
            timeout=_patience(arguments, order),
            expires=arguments.expires,
        )
    assert answers is not None
    if arguments.no_reply and answers.command is not None:
        if arguments.json:
            print_json(app.path, {"name": name, "replies": None})
        return EXIT_DONE
    return _tell(arguments, app, order, answers)


def _patience(arguments: Namespace, order: Order) -> float:
    """Seconds to wait for answers; also who wants none learns whether anybody was told."""
    if arguments.no_reply:
        return 0.0
    return max(1.0, order.timeout) if arguments.timeout is None else float(arguments.timeout)


def _tell(arguments: Namespace, app: PyQueue, order: Order, answers: Answers) -> int:
    said = [(worker, value) for each in answers for worker, value in each.items()]
    failed = [worker for worker, value in said if isinstance(value, dict) and "error" in value]
    if arguments.json:
        listed = [{"worker": worker, "ok": worker not in failed, "answer": value} for worker, value in said]
        told: dict[str, Any] = {"command": answers.command, "name": order.name, "replies": listed}
        told |= {"silent": answers.silent, "gone": answers.gone}
        print_json(app.path, told | {"expires": answers.expires and answers.expires.isoformat()})
    else:
        for worker, value in said:
            print(f"{plain(worker)}: {plain(_shown(value))}")
    for worker in answers.gone:
        note(f"{worker} ended before it answered")
    for worker in answers.silent:
        note(f"{worker} has not answered in time; it may obey until {answers.expires:%H:%M:%S} UTC")
    if answers.command is None:
        note(f"no worker runs on {app.path}")
        return EXIT_NOTHING
    return EXIT_FAILED if failed or answers.gone else EXIT_TRY_AGAIN if answers.silent else EXIT_DONE


def _shown(value: Any) -> str:
    from pyqueue.tags import tagged  # noqa: PLC0415  as above

    if isinstance(value, dict) and len(value) == 1:
        (kind, text), *_ = value.items()
        if kind in ("ok", "error"):
            shown = text if isinstance(text, str) else json.dumps(text, default=tagged)
            return shown if kind == "ok" else f"error: {shown}"
    return json.dumps(value, default=tagged)


def _list(arguments: Namespace) -> int:
    orders = sorted((each for each in _known(arguments).values() if each.visible), key=lambda each: each.name)
    if arguments.json:
        listed = [
            {
                "name": each.name,
                "usage": each.usage,
                "help": each.help,
                "asks": each.asks,
                "own": each.function is not None,
            }
            for each in orders
        ]
        print_json(None, {"commands": listed})
    else:
        print(
            table(
                ["command", "what it does"],
                [[each.usage, each.help] for each in orders],
                left=[0, 1],
                whole=(0,),
            )
        )
    return EXIT_DONE


def _known(arguments: Namespace) -> Mapping[str, Order]:
    """All commands. Where nobody has named an app, one that can't be loaded hides pyqueue's own from nobody."""
    from pyqueue.orders import BUILT_IN  # noqa: PLC0415  as above

    try:
        return _app(arguments, None).orders
    except ImproperlyConfigured as error:
        if arguments.app is not None:
            raise
        note(str(error))
        return BUILT_IN


def _history(arguments: Namespace) -> int:
    from pyqueue._core import Commands  # noqa: PLC0415  as above

    store = existing(arguments)
    found = Commands(store).newest(arguments.limit, asking=arguments.asking)
    if arguments.json:
        print_json(store.path, {"commands": [_object(each) for each in found]})
    elif found:
        rows = [
            [
                str(each.id),
                clock(each.made_us),
                f"{each.name} {_written(each)}".strip(),
                each.target,
                each.author,
                ", ".join(_stands(reply) for reply in each.replies),
            ]
            for each in found
        ]
        header = ["command", "given", "what", "to", "by", "answers"]
        print(table(header, rows, left=[1, 2, 3, 4, 5], whole=(1,)))
    else:
        print("no commands")
    return EXIT_DONE


def _value(body: bytes | None) -> Any:
    from pyqueue.serialization import decode_result  # noqa: PLC0415  as above

    try:
        return None if body is None else decode_result(body)
    except DecodeError as error:
        return {"unreadable": str(error)}


def _written(command: Command) -> str:
    given = _value(command.arguments)
    # Anybody who may write the file may have written it.
    pairs = given.items() if isinstance(given, dict) else ()
    return " ".join(f"{name}={_shown(value)}" for name, value in pairs)


def _stands(reply: Reply) -> str:
    value = _value(reply.body)
    return f"{reply.worker}: {_shown(value) if reply.stand in ('ok', 'error') else reply.stand}"


def _object(command: Command) -> dict[str, Any]:
    return {
        "id": command.id,
        "name": command.name,
        "arguments": _value(command.arguments),
        "target": command.target,
        "author": command.author,
        "given": iso(command.made_us),
        "expires": iso(command.expires_us),
        "replies": [
            {"worker": each.worker, "state": each.stand, "answer": _value(each.body), "at": iso(each.at_us)}
            for each in command.replies
        ],
    }
