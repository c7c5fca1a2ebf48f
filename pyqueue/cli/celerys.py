"""What a script that was written for ``celery`` says and is not here, each with what to say instead."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, Final

_LOOK = "pyqueue status, list and show say what there is, whether a worker runs or not"
_SERVICE = "let systemd or another supervisor see to it"

WORDS: Final = {
    "-A": "the command comes first: pyqueue worker -A APP",
    "--app": "the command comes first: pyqueue worker --app APP",
    "-b": "the command comes first: pyqueue worker --db FILE",
    "--broker": "the command comes first: pyqueue worker --db FILE",
    "flower": _LOOK,
    "multi": "start each worker by itself, or one with a larger -c",
    "shell": "use python -i with your module",
}
"""By the first word after ``pyqueue``."""

FLAGS: Final = {
    "--purge": "use pyqueue purge QUEUE before",
    "-X --exclude-queues": "name with -Q the queues to work",
    "-D --detach": _SERVICE,
    "--pidfile": _SERVICE,
    "--uid": _SERVICE,
    "--gid": _SERVICE,
    "-f --logfile": "the log goes to standard error; redirect that",
}
"""Of the worker."""

_PREFETCH: Final = "has no effect: a job never waits behind a busy child, unless --prefetch says so"


class Waived(argparse.Action):
    """Takes the value of a flag, and keeps a notice in its place."""

    def __call__(self, _: ArgumentParser, into: Namespace, _value: Any, flag: str | None = None) -> None:
        """Keeps the notice."""
        into.without_effect = [*(into.without_effect or ()), f"{flag} {_PREFETCH}"]


class Refused(argparse.Action):
    """Ends with what to use instead of a flag."""

    def __call__(self, parser: ArgumentParser, _: Namespace, _value: Any, flag: str | None = None) -> None:
        """Ends the process."""
        parser.error(f"there is no {flag}: {self.metavar}")


def add_flags(parser: ArgumentParser) -> None:
    """Makes the parser know them, so that it can say more than that it doesn't."""
    parser.add_argument("-O", dest="without_effect", action=Waived, help=argparse.SUPPRESS)
    for flags, instead in FLAGS.items():
        parser.add_argument(
            *flags.split(),
            action=Refused,
            nargs="?",
            metavar=instead,
            dest=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
