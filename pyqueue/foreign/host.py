"""A connection that is not ours, as far as we use one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

Value: TypeAlias = "str | int | float | bytes | None"

TAKE_LOCK: Final = "DELETE FROM main.pyqueue_inbox WHERE 0"
"""Changes nothing, and needs the write lock for it: the open transaction has it from then on."""


class Host(ABC):
    """A connection of the application's, whatever its library. Its settings are not changed by any method.

    Errors of the library come through as they are; ``code_of`` has their meaning.
    """

    client: str
    """What its users call it."""

    immediate: str
    """How its users have their transactions begin with the write lock."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        """What the user gave."""

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement with ``?`` for its values; the rows, as plain tuples.

        Text in them is what the connection makes of text: bytes, where it was told so.
        """

    @abstractmethod
    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """Runs an INSERT of one row; whether there is one more now. A trigger may have left it out."""

    def file(self) -> str | None:
        """The path of the file that is "main"; None in memory."""
        return self.files().get("main")

    def files(self) -> dict[str, str]:
        """The paths of the files it has open by their schema's names, "main" and the attached ones.

        Reads nothing of any file: a deferred transaction that has not read yet must not begin to.
        """
        rows = self.execute("PRAGMA database_list")
        return {as_text(name): as_text(file) for _, name, file in rows if file}

    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open in SQLite, whoever began it."""

    @abstractmethod
    def join(self) -> None:
        """Opens the transaction that an INSERT of the user's would open here, where it would and none is open."""

    @abstractmethod
    def begin(self) -> None:
        """Opens a transaction that holds the write lock, or takes the write lock in the open one."""

    @abstractmethod
    def commit(self) -> None:
        """Commits the open transaction."""

    @abstractmethod
    def rollback(self) -> None:
        """Rolls the open transaction back."""

    @abstractmethod
    def code_of(self, error: Exception) -> int | None:
        """SQLite's extended result code of an error of this library; None for any other error."""


def as_text(value: Any) -> str:
    """Text of a row, also from a connection that gives bytes or a kind of them."""
    return bytes(value).decode() if isinstance(value, bytes | bytearray | memoryview) else str(value)
