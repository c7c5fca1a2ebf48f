"""Copies of a child that a task forked: they end with the task's call, and tell nobody how the job ended."""

from __future__ import annotations

import os
import sys
from types import TracebackType


class EndsCopies:
    """A copy that comes out of the block ends there, as Python would end it; the child itself goes on."""

    __slots__ = ("_own",)

    def __enter__(self) -> None:
        # Not at import: a web server may import this, fork, and run jobs in place in the process it forked.
        self._own = os.getpid()

    def is_copy(self) -> bool:
        """Whether this is a copy of the process that entered the block."""
        return os.getpid() != self._own

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.is_copy():
            code = 1
            try:
                code = _code(error)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)


def _code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return (error.code or 0) & 0xFF
    sys.excepthook(type(error), error, error.__traceback__)
    return 1
