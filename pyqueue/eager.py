"""The result of a task that was run in place, by ``task.apply()``."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, TypeVar

from pyqueue import states
from pyqueue.exceptions import Retry

R = TypeVar("R")


class EagerResult(Generic[R]):
    """Looks like an AsyncResult that has ended. As a context manager it takes what its block raises."""

    def __init__(self) -> None:
        self.id = "eager"
        self._error: Exception | None = None
        self._value: Any = None

    def returned(self, value: R) -> None:
        """Sets the result."""
        self._value = value

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self._error = error
            return True
        return False

    @property
    def state(self) -> str:
        """SUCCESS, FAILURE or RETRY."""
        if self._error is None:
            return states.SUCCESS
        return states.RETRY if isinstance(self._error, Retry) else states.FAILURE

    @property
    def result(self) -> Any:
        """The result or the exception."""
        return self._value if self._error is None else self._error

    def get(self, timeout: float | None = None, propagate: bool = True) -> R:  # noqa: ARG002
        """The result; raises the task's exception."""
        if self._error is not None and propagate:
            raise self._error
        return self.result  # type: ignore[no-any-return]

    def ready(self) -> bool:
        """True."""
        return True

    def successful(self) -> bool:
        """Whether the task returned."""
        return self._error is None

    def failed(self) -> bool:
        """Whether the task raised."""
        return self.state == states.FAILURE
