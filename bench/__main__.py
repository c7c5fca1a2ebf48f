"""``python -m bench``: pyqueue's rows and its rivals in turns; ``--help`` says the rest."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.contenders import MODES, RIVALS
from bench.installing import TARGET
from bench.leftovers import PREFIX, alone_in
from bench.plan import Settings, steps
from bench.plot import plot
from bench.run import Run
from bench.saved import Saved
from bench.table import tables
from pyqueue.bench.place import QUICK
from pyqueue.bench.rows import ROWS


def main() -> int:
    """Runs it; the exit code."""
    arguments = _parser().parse_args()
    if arguments.table is not None:
        print(tables(Saved.read(arguments.table).content), end="")
        return 0
    if arguments.plot is not None:
        print(f"drew {plot(Saved.read(arguments.plot))}")
        return 0
    # As an interrupt does, so that what was started is ended on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with alone_in(arguments.folder):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    asked = {**settings._asdict(), **{name: _sorted(getattr(settings, name)) for name in ("rows", "rivals")}}
    asked["modes"] = list(settings.modes)
    saved = None if arguments.new else Saved.unfinished(settings.kind, asked)
    if saved is not None:
        print(f"going on with {saved.path}; --new begins another")
    else:
        saved = Saved.new(settings.kind, asked, arguments.folder)
    if settings.kind == "full" and not arguments.foreground:
        _into_background(saved.path.with_suffix(".log"))
    with tempfile.TemporaryDirectory(
        dir=arguments.folder, prefix=PREFIX, ignore_cleanup_errors=True
    ) as folder:
        Run(steps(settings), saved, Path(folder).resolve(), settings.scale).to_the_end()
    print(f"\n{tables(saved.content)}\nsaved {saved.path}")
    try:
        print(f"drew {plot(saved)}")
    except ImportError as error:
        print(
            f"drew nothing ({error}): pip install -r requirements/bench.txt, then python -m bench --plot {saved.path}"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measures pyqueue beside other queues."
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--quick",
        action="store_true",
        help="about 10 minutes: no row over 1 M jobs, one Redis mode (default)",
    )
    kind.add_argument(
        "--full", action="store_true", help="every row, in the background; goes on where it was stopped"
    )
    kind.add_argument(
        "--table", type=Path, metavar="JSON", help="print a saved run as tables, measure nothing"
    )
    kind.add_argument("--plot", type=Path, metavar="JSON", help="draw a saved run, measure nothing")
    parser.add_argument(
        "--rows", type=_names({row.name for row in ROWS}), metavar="A,B", help="only these rows of ours"
    )
    parser.add_argument(
        "--rivals",
        type=_names({rival.name for rival in RIVALS}),
        metavar="A,B",
        help='only these rivals, or "none"',
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="how often each is measured (2, with --full 3)"
    )
    parser.add_argument(
        "--scale", type=float, metavar="X", help="sizes, 1 being --full; below 0.25 to try it out"
    )
    parser.add_argument(
        "--folder", type=Path, default=TARGET / "tmp", help="on which disk (default: %(default)s)"
    )
    parser.add_argument("--new", action="store_true", help="do not go on with an unfinished run")
    parser.add_argument("--foreground", action="store_true", help="stay there with --full")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    full = arguments.full
    return Settings(
        kind="full" if full else "quick",
        rounds=arguments.rounds or (3 if full else 2),
        scale=arguments.scale or (1.0 if full else QUICK),
        long=full,
        modes=tuple(MODES) if full else ("none",),
        rows=arguments.rows,
        rivals=arguments.rivals,
    )


def _names(known: set[str]) -> Callable[[str], frozenset[str]]:
    def check(text: str) -> frozenset[str]:
        names = frozenset(text.split(",")) - {"none", ""}
        if names - known:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(sorted(names - known))}; known: {', '.join(sorted(known))}"
            )
        return names

    return check


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _into_background(log: Path) -> None:
    """The caller gets its terminal back; what is said from now on goes to the log."""
    child = os.fork()
    if child:
        print(f"process {child} runs in the background, to be followed by:  tail -f {log}", flush=True)
        os._exit(0)
    os.setsid()
    with log.open("ab", buffering=0) as file, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


if __name__ == "__main__":
    sys.exit(main())
