"""``pyqueue worker``: one supervisor in the core, its events in the log, its signals from here."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final

from pyqueue import loading, signals
from pyqueue._core import __version__, sqlite_version
from pyqueue.settings import BY_NAME
from pyqueue.worker.log import JSON, log, set_up, tell
from pyqueue.worker.obeying import Obeying
from pyqueue.worker.starting import Plan, WorkerOptions, plan, start
from pyqueue.worker.ticking import Ticker

if TYPE_CHECKING:
    from pyqueue._core import Event
    from pyqueue.app import PyQueue
    from pyqueue.worker.crew import Crew

EXIT_WARM: Final = 0
EXIT_COLD: Final = 1
SHOWN_TASKS: Final = 20


def run(options: WorkerOptions) -> int:
    """Works until it is told to stop; the exit code."""
    where = os.getcwd()
    app, target = loading.find(options.target)
    if options.path is not None:
        app.use(options.path)
    decided = plan(app, options)
    signals.worker_init.send(decided.name)
    level = decided.level + (JSON if options.json_logs else "")
    set_up(level)
    # Before it says what it serves: a file that is refused is all there is to say.
    ticker = Ticker(app, target) if options.beat and not options.burst else None
    if ticker is not None:
        ticker.declare()
    crew = start(app, target, decided, level)
    if options.json_logs:
        log.info("starting", extra={"event": "starting", "fields": _facts(app, decided)})
    elif not signals.setup_logging:
        # Not on standard output: there the first line says that it is ready, and scripts wait for that.
        sys.stderr.write(_banner(app, decided))
    stop = _Stop(crew, decided.name)
    obeying = (
        Obeying(app, crew, decided.name, stop.by_command) if app.conf.worker_enable_remote_control else None
    )
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, _HangUp(crew, stop))
    signal.signal(signal.SIGUSR1, partial(_dump, crew))
    if options.reload:
        from pyqueue.worker.watching import SourceWatch, source_folders  # noqa: PLC0415

        SourceWatch(source_folders(), crew.reload)
    failed = False

    def heard(event: Event) -> None:
        nonlocal failed
        failed = failed or event.kind == "error"
        if event.kind == "ready" and not options.json_logs:
            sys.stdout.write(_ready(app, decided))
            sys.stdout.flush()
        else:
            tell(event, app)
        if event.kind == "stuck":
            _start_anew(crew, stop, where)
        if event.kind == "ready":
            signals.worker_ready.send(decided.name)

    beside = [each for each in (ticker, obeying) if each is not None]
    for each in beside:
        each.start()
    crew.listen(heard)
    for each in beside:
        each.stop()
    signals.worker_shutdown.send(decided.name)
    return EXIT_COLD if stop.cold or failed else EXIT_WARM


class _Stop:
    """The first signal lets running jobs finish, the second kills them."""

    def __init__(self, crew: Crew, name: str) -> None:
        self._crew = crew
        self._name = name
        self._signals = 0

    @property
    def asked(self) -> bool:
        return self._signals > 0

    @property
    def cold(self) -> bool:
        return self._signals > 1

    def by_command(self) -> None:
        """A command never kills: one that comes again finds it stopping."""
        if not self.asked:
            self(signal.SIGTERM, None)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._crew.stop(cold=self.cold)
        signals.worker_shutting_down.send(
            self._name,
            sig=signal.Signals(number).name,
            how="Cold" if self.cold else "Warm",
            exitcode=EXIT_COLD if self.cold else EXIT_WARM,
        )


class _HangUp:
    """SIGHUP loads the code anew. Where the terminal is gone that it was started from, it means the end."""

    def __init__(self, crew: Crew, stop: _Stop) -> None:
        self._crew = crew
        self._stop = stop
        self._has_terminal = _terminal()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._has_terminal and not _terminal():
            self._stop(number, frame)
        else:
            self._crew.reload()


def _dump(crew: Crew, _number: int, _frame: FrameType | None) -> None:
    faulthandler.dump_traceback(all_threads=True)
    crew.dump()


def _start_anew(crew: Crew, stop: _Stop, where: str) -> None:
    """Puts a new worker in the place of this process: a thread that stands still can't be ended alone.

    One that was told to stop just ends.
    """
    faulthandler.dump_traceback(all_threads=True)
    what = "ends, as it was told to" if stop.asked else "starts anew"
    log.error("the worker %s; the jobs that it ran are back in line", what)
    crew.abandon()
    sys.stdout.flush()
    sys.stderr.flush()
    if stop.asked:
        os._exit(EXIT_COLD)
    # Relative paths among the arguments begin where it was started.
    os.chdir(where)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _facts(app: PyQueue, plan: Plan) -> dict[str, object]:
    return {
        "version": __version__,
        "sqlite": sqlite_version,
        "worker": plan.name,
        "db": app.path,
        "durability": app.durability,
        "queues": plan.queues or "all",
        "reserved": plan.served.slots,
        "children": plan.children,
        "slots": plan.concurrency,
        "least": plan.least,
        "pool": plan.pool,
        "grace": plan.grace,
        "tasks": sorted(app.tasks),
    }


def _banner(app: PyQueue, plan: Plan) -> str:
    tasks = sorted(app.tasks)
    named = ", ".join(tasks[:SHOWN_TASKS]) + (", …" if len(tasks) > SHOWN_TASKS else "")
    return (
        f"pyqueue {__version__} (SQLite {sqlite_version})\n"
        f"  file      {app.path}, durability {app.durability}\n"
        f"  queues    {', '.join(map(plan.served.described, plan.queues)) if plan.queues else 'all'}\n"
        f"  children  {_children(plan)}, {plan.grace:g} s to finish when stopped\n"
        f"  tasks     {named or 'none'}\n"
        f"{_idle_settings(app)}"
    )


def _idle_settings(app: PyQueue) -> str:
    idle = [name for name in app.conf.names_given() if name in BY_NAME and BY_NAME[name].missed]
    return f"  settings  without effect so far: {', '.join(idle)}; see pyqueue config\n" if idle else ""


def _children(plan: Plan) -> str:
    each = {
        "threads": f" with {plan.concurrency} threads",
        "asyncio": f" with {plan.concurrency} jobs at once",
    }
    number = f"{plan.least} to {plan.children}" if plan.least is not None else str(plan.children)
    return f"{number}{each.get(plan.pool, '')} ({plan.pool})"


def _ready(app: PyQueue, plan: Plan) -> str:
    queues = f"queues {', '.join(plan.queues)}" if plan.queues else "all queues"
    tasks = "1 task" if len(app.tasks) == 1 else f"{len(app.tasks)} tasks"
    return f"worker {plan.name} ready: {app.path}, {queues}, {plan.at_once}, {tasks}\n"
