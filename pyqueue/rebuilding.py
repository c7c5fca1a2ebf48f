"""A failed attempt's exception, made again from what the file says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyqueue.exceptions import DecodeError, TaskFailed
from pyqueue.naming import loaded_class
from pyqueue.serialization import decode_exception

if TYPE_CHECKING:
    from pyqueue._core import Failure


# The builtin's own descriptors: a class may have put properties in their place.
_ATTRIBUTES: Final[Any] = vars(BaseException)["__dict__"]
_CAUSE: Final[Any] = vars(BaseException)["__cause__"]


def rebuilt(failure: Failure) -> Exception:
    """The exception of a failed attempt, of its own class if that is loaded here, else TaskFailed.

    Runs no Python code of the class, neither ``__init__`` nor ``__new__``: class and arguments come from the
    file. Attributes are put back as they were.
    """
    told = TaskFailed(failure.error, failure.message, failure.traceback)
    cls = loaded_class(failure.error)
    if cls is None or not issubclass(cls, Exception):
        return told
    builtin = next(each for each in cls.__mro__ if each.__module__ == "builtins")
    try:
        args, attributes = (
            decode_exception(failure.body) if failure.body is not None else ([failure.message], {})
        )
        error: Exception = builtin.__new__(cls, *args)
        builtin.__init__(error, *args)  # type: ignore[misc]
    except (TypeError, ValueError, DecodeError):
        return told
    _ATTRIBUTES.__get__(error).update(attributes)
    _CAUSE.__set__(error, told)
    return error
