"""An exception as the text that is kept of it."""

from __future__ import annotations

from typing import Final

from pyqueue._core import Failure
from pyqueue.einfo import ExceptionInfo
from pyqueue.naming import class_path
from pyqueue.serialization import encode_exception

MAX_MESSAGE: Final = 8_192
MAX_TRACEBACK: Final = 65_536
MAX_ARGUMENTS: Final = 65_536


def failure_of(error: BaseException) -> Failure:
    """Class, message, traceback from the task's own frame on, and arguments where they are JSON."""
    return Failure(
        class_path(type(error)),
        _storable(_message(error))[:MAX_MESSAGE],
        _storable(ExceptionInfo(error).traceback)[-MAX_TRACEBACK:],
        _arguments(error),
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001  the class is the user's, and so is its __str__
        return f"<{type(error).__name__} whose text can't be had>"


def _arguments(error: BaseException) -> bytes | None:
    try:
        return encode_exception(error, MAX_ARGUMENTS)
    except BaseException:  # noqa: BLE001  so are its args and its __dict__, which may be properties
        return None


def _storable(text: str) -> str:
    """Lone surrogates, as in undecodable file names, are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
