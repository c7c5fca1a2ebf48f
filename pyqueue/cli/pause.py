"""``pyqueue pause``: lets no job of a task, a queue or a key start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyqueue._core import Gates
from pyqueue.author import whoami
from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED
from pyqueue.cli.file import existing, note
from pyqueue.cli.means import add_means, means_of
from pyqueue.cli.parser import add_command
from pyqueue.cli.scope import add_scope, is_everything, meant, said, scope, words
from pyqueue.cli.selection import agreed, selection
from pyqueue.cli.words import plain, print_json
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "pause",
        "Lets no job start that is meant, from the next claim of any worker on, nor those that come later; new ones are "
        "accepted. Running jobs go on, or with --running come back in line, and the attempt does not count. `pyqueue status` "
        "shows what is paused, since when, by whom and why.",
        (
            "pyqueue pause --queue mail",
            "pyqueue pause --task report.build --running --reason 'bad release'",
            "pyqueue pause --where 'task=report.* key=c7:*'",
        ),
    )
    add_scope(parser)
    parser.add_argument("--running", action="store_true", help="those that run come back in line")
    add_means(parser, "--running")
    parser.add_argument("--reason", metavar="TEXT", help="for those who meet it")
    parser.add_argument("--dry-run", action="store_true", help="show how many jobs it would hold")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="don't ask whether every job shall be paused; needed where no terminal is",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    store, which = existing(arguments), meant(arguments)
    about = scope(which)
    if arguments.dry_run:
        count = selection(store, which).count()
        if arguments.json:
            print_json(store.path, {"would_be": "paused", "count": count})
        else:
            note(f"{count:,} would be paused, and those that come later")
        return EXIT_DONE
    if not arguments.yes and is_everything(store, which):
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ImproperlyConfigured(
                f"no job of {store.path} could start any more: if {words(which)} is meant, say --yes"
            )
        if not agreed(f"Pause {words(which)}? No job of {plain(store.path)} could start any more."):
            note("nothing was paused")
            return EXIT_FAILED
    queue = about.get("queue")
    unknown = isinstance(queue, str) and all(each.name != queue for each in store.queues())
    running = means_of(arguments) if arguments.running else None
    asked = Gates(store).pause(**about, author=whoami(), reason=arguments.reason, running=running)
    if arguments.json:
        print_json(store.path, {**said(about), "paused": True, "asked": asked})
    else:
        print(f"{words(which)} is paused" + (f", {asked:,} running are asked to give way" if asked else ""))
    if unknown:
        note(f"no job and no worker has used {words(which)} so far; it holds for those that will")
    return EXIT_DONE
