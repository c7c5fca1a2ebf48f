"""Exit codes, of sysexits.h where it has one."""

from __future__ import annotations

# Loading typing costs as much as starting the interpreter; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 64
EXIT_BAD_DATA: Final = 65
EXIT_NOTHING: Final = 69
EXIT_TRY_AGAIN: Final = 75
EXIT_INTERRUPTED: Final = 130


def code_of(error: Exception) -> int:
    """The exit code of an error that ends a command."""
    # Here and not above: help and completion end without an error.
    from pyqueue import exceptions as known  # noqa: PLC0415
    from pyqueue.cli.file import NoFile  # noqa: PLC0415

    codes = (
        ((known.ImproperlyConfigured, known.InvalidJob), EXIT_USAGE),
        (
            (
                known.FileRefused,
                known.DatabaseCorrupt,
                known.EncodeError,
                known.DecodeError,
                known.CorruptPayload,
            ),
            EXIT_BAD_DATA,
        ),
        ((known.UnknownJob, known.NoSuchWorker, NoFile), EXIT_NOTHING),
        ((known.DatabaseBusy, known.TimeoutError), EXIT_TRY_AGAIN),
    )
    return next((code for classes, code in codes if isinstance(error, classes)), EXIT_FAILED)
