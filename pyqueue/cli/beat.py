"""``pyqueue beat``."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import SUPPRESS
from typing import TYPE_CHECKING

from pyqueue.cli.parser import add_command
from pyqueue.cli.worker import LEVELS
from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

WITHOUT_EFFECT = {
    "-s --schedule": "the file keeps the schedules",
    "-S --scheduler": "the file keeps the schedules",
    "--max-interval": "it is woken when a schedule is changed",
    "--pidfile": "several may run: each time is fired once",
}
"""Options of Celery's beat that scripts have."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "beat",
        "Fires schedules and runs no jobs, until it is stopped. Workers do it too, unless they are started with "
        "--no-beat; each time is fired once, however many there are.",
        ("pyqueue beat -A tasks.py", "pyqueue beat -A proj.app:app -l warning"),
    )
    parser.add_argument("--db", metavar="FILE", help="the queue file (default: the app's)")
    parser.add_argument(
        "-A",
        "--app",
        metavar="APP",
        help="module:app or file.py (default: $PYQUEUE_APP, [tool.pyqueue] app in pyproject.toml, tasks.py, app.py)",
    )
    parser.add_argument(
        "-l",
        "--loglevel",
        type=str.lower,
        choices=LEVELS,
        metavar="LEVEL",
        help=f"{', '.join(LEVELS)} (default: info)",
    )
    parser.add_argument("--json-logs", action="store_true", help="log one JSON object a line")
    for flags in WITHOUT_EFFECT:
        parser.add_argument(*flags.split(), dest=_dest(flags), help=SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the command."""
    # Here and not above: the other commands need nothing of the running layer.
    from pyqueue import loading  # noqa: PLC0415
    from pyqueue.worker.log import JSON, set_up  # noqa: PLC0415
    from pyqueue.worker.ticking import Ticker  # noqa: PLC0415

    for flags, because in WITHOUT_EFFECT.items():
        if getattr(arguments, _dest(flags)) is not None:
            print(f"pyqueue: {flags.split()[-1]} has no effect: {because}", file=sys.stderr)
    app, target = loading.find(arguments.app)
    if arguments.db is not None:
        app.use(arguments.db)
    if app.in_place is not None:
        raise ImproperlyConfigured(
            "jobs of this app run where they are made (task_always_eager), so nobody would run those of its schedules; "
            "turn that off to use beat"
        )
    set_up((arguments.loglevel or app.config.loglevel) + (JSON if arguments.json_logs else ""))
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    ticker = Ticker(app, target)
    ticker.declare()
    ticker.start()
    count = sum(not row.paused for row in app.schedules.rows.all())
    print(f"beat ready: {app.path}, {count} schedule{'' if count == 1 else 's'}", flush=True)
    over.wait()
    ticker.stop()
    return 0


def _dest(flags: str) -> str:
    return f"waived_{flags.rsplit(maxsplit=1)[-1].strip('-').replace('-', '_')}"
