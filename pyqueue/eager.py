"""The result of a task that was run in place, by ``task.apply()``."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pyqueue import states
from pyqueue.einfo import ExceptionInfo

R = TypeVar("R")


class EagerResult(Generic[R]):
    """Looks like an AsyncResult that has ended."""

    def __init__(self, id: str, value: Any, error: Exception | None) -> None:
        self.id = id
        self.created = True
        self.parent: Any = None
        """The result of the step before it."""
        self._value = value
        self._error = error

    @property
    def state(self) -> str:
        """SUCCESS or FAILURE."""
        return states.SUCCESS if self._error is None else states.FAILURE

    status = state

    @property
    def result(self) -> Any:
        """The result or the exception."""
        return self._value if self._error is None else self._error

    info = result

    @property
    def traceback(self) -> str | None:
        """The text of the traceback."""
        return None if self._error is None else ExceptionInfo(self._error).traceback

    def get(self, timeout: float | None = None, propagate: bool = True, **ignored: Any) -> R:  # noqa: ARG002
        """The result; raises the task's exception, or returns ``default`` where one is given."""
        if self._error is not None and "default" in ignored:
            return ignored["default"]  # type: ignore[no-any-return]
        if self._error is not None and propagate:
            raise self._error
        return self.result  # type: ignore[no-any-return]

    wait = get

    def ready(self) -> bool:
        """True."""
        return True

    def successful(self) -> bool:
        """Whether the task returned."""
        return self._error is None

    def failed(self) -> bool:
        """Whether the task raised."""
        return self._error is not None

    def revoke(self) -> bool:
        """False: it has ended."""
        return False

    def forget(self) -> None:
        """Nothing is kept anyway."""

    def __repr__(self) -> str:
        return f"<EagerResult: {self.id}>"
