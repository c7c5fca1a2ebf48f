"""``pyqueue``: picks the command; an error is one sentence and an exit code.

Nothing is loaded before it is known that it is needed: the list of commands is shown without argparse.
"""

from __future__ import annotations

import os
import sys

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, code_of
from pyqueue.cli.commands import COMMANDS
from pyqueue.plain import plain

# Loading typing costs as much as starting the interpreter; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        code = _run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:
        # Python's own flush at the end must not meet the same again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            print("pyqueue:", plain(str(error), keep="\n\t"), file=sys.stderr)
        return EXIT_FAILED
    return code


def _prepare_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by whoever started us.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            # What a file says may not be writable in the terminal's encoding.
            stream.reconfigure(errors="backslashreplace")


def _run(words: list[str]) -> int:
    if not words:
        _show_commands(sys.stderr)
        return EXIT_USAGE
    if words[0] in ("-h", "--help"):
        _show_commands(sys.stdout)
        return EXIT_DONE
    if words[0] == "--version":
        from pyqueue._core import __version__, sqlite_version  # noqa: PLC0415

        print(f"pyqueue {__version__} (SQLite {sqlite_version})")
        return EXIT_DONE
    if words[0] not in COMMANDS:
        from pyqueue.cli.celerys import WORDS  # noqa: PLC0415

        word = words[0].partition("=")[0]
        if word in WORDS:
            print(f"pyqueue: there is no {word!r} here: {WORDS[word]}", file=sys.stderr)
            return EXIT_USAGE
        what = "option" if words[0].startswith("-") else "command"
        print(f"pyqueue: there is no {what} {words[0]!r}; see pyqueue --help", file=sys.stderr)
        return EXIT_USAGE
    return _command(words)


def _command(words: list[str]) -> int:
    from pyqueue._core import QueueError  # noqa: PLC0415
    from pyqueue.cli.parser import parser_of  # noqa: PLC0415

    arguments = parser_of(words[0]).parse_args(words)
    try:
        code: int = arguments.run(arguments)
    except (QueueError, UnicodeEncodeError) as error:
        if arguments.verbose:
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        elif isinstance(error, UnicodeEncodeError):
            print("pyqueue: an argument is no valid text; write it as UTF-8", file=sys.stderr)
        else:
            from pyqueue.redaction import masked_text  # noqa: PLC0415

            print("pyqueue:", plain(masked_text(str(error)), keep="\n\t"), file=sys.stderr)
        return EXIT_USAGE if isinstance(error, UnicodeEncodeError) else code_of(error)
    return code


def _show_commands(stream: TextIO) -> None:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {summary}" for name, summary in COMMANDS.items()]
    print(
        "usage: pyqueue COMMAND [options]",
        "       pyqueue --version",
        "",
        "A task queue in one SQLite file.",
        "",
        "commands:",
        *lines,
        "",
        "pyqueue COMMAND --help shows its options, with examples.",
        sep="\n",
        file=stream,
    )
