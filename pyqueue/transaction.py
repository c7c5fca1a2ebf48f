"""What ``self.transaction()`` gives."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, TypeVar

C_co = TypeVar("C_co", covariant=True)


class Transaction(Protocol[C_co]):
    """A block whose rows, jobs and result are committed together with the job's end, or not at all.

    ``async with`` is the same: it awaits nothing but an asynchronous connection of the caller's.
    """

    def __enter__(self) -> C_co: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    async def __aenter__(self) -> C_co: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
