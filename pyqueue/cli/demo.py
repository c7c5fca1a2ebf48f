"""``pyqueue demo``: real work on real files, with processes killed in the middle."""

from __future__ import annotations

import sysconfig
from typing import TYPE_CHECKING

from pyqueue.cli.numbers import positive
from pyqueue.cli.parser import EXAMPLES, Help

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    demos = commands.add_parser("demo", help="run a demonstration").add_subparsers(
        title="demonstrations", metavar="NAME", required=True
    )
    parser = demos.add_parser(
        "catalog",
        parents=[shared],
        help="hash every file of a tree, with a child and a worker killed in the middle",
        epilog=EXAMPLES + "  pyqueue demo catalog\n  pyqueue demo catalog /usr/share --force",
        formatter_class=Help,
    )
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="the tree (default: this Python's standard library)"
    )
    parser.add_argument(
        "--db", default="catalog.db", metavar="FILE", help="the queue file (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="delete an older queue file of that name first")
    parser.add_argument(
        "-c",
        "--concurrency",
        type=positive,
        default=2,
        metavar="N",
        help="children of each worker (default: 2)",
    )
    parser.set_defaults(run=run)
    _add_ledger(demos, shared)


def _add_ledger(demos: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    parser = demos.add_parser(
        "ledger",
        parents=[shared],
        help="move money in transactions that end their jobs, with everybody killed again and again",
        epilog=EXAMPLES
        + "  pyqueue demo ledger --kill\n  pyqueue demo ledger --transfers 1000000 --kills 1000",
        formatter_class=Help,
    )
    parser.add_argument(
        "--transfers", type=positive, default=100_000, metavar="N", help="how many (default: 100000)"
    )
    kills = parser.add_mutually_exclusive_group()
    kills.add_argument(
        "--kill",
        action="store_const",
        dest="kills",
        const=100,
        help="SIGKILL a child, a worker or the host 100 times",
    )
    kills.add_argument("--kills", type=positive, metavar="N", help="SIGKILL so often")
    parser.add_argument("--seed", type=int, default=1, help="who is killed when (default: 1)")
    parser.add_argument(
        "--db", default="ledger.db", metavar="FILE", help="the queue file (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="delete an older queue file of that name first")
    parser.add_argument(
        *("-c", "--concurrency"),
        type=positive,
        default=2,
        metavar="N",
        help="children of each worker (default: 2)",
    )
    parser.set_defaults(run=run_ledger, kills=0)


def run_ledger(arguments: Namespace) -> int:
    """Runs the command."""
    from pyqueue.demo import ledger_run  # noqa: PLC0415

    return ledger_run.run_ledger(
        arguments.transfers,
        arguments.db,
        force=arguments.force,
        concurrency=arguments.concurrency,
        kills=arguments.kills,
        seed=arguments.seed,
    )


def run(arguments: Namespace) -> int:
    """Runs the command."""
    # Here and not above: a worker's start must not pay for the demonstration's modules.
    from pyqueue.demo.run import run_catalog  # noqa: PLC0415

    root = arguments.path if arguments.path is not None else sysconfig.get_path("stdlib")
    return run_catalog(root, arguments.db, force=arguments.force, concurrency=arguments.concurrency)
