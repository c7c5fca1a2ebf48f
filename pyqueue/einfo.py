"""Celery's ``einfo``: an exception with its traceback as text."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

_HERE: Final = os.path.dirname(__file__) + os.sep
_OURS: Final = tuple(_HERE + name for name in ("worker" + os.sep, "attempt.py", "middleware.py", "task.py"))


class ExceptionInfo:
    """What ``on_failure`` and the signals get beside the exception. Its text is the traceback's."""

    __slots__ = ("exception",)

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception

    @property
    def type(self) -> type[BaseException]:
        """The exception's class."""
        return type(self.exception)

    @property
    def tb(self) -> TracebackType | None:
        """The traceback from the first frame on that is not pyqueue's."""
        frames = self.exception.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
            frames = frames.tb_next
        return frames

    @property
    def traceback(self) -> str:
        """The traceback as text."""
        import traceback  # noqa: PLC0415

        return "".join(traceback.format_exception(self.type, self.exception, self.tb))

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.exception!r}>"
