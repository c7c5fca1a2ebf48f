"""The connection of an open block, as ``delay`` finds it: nobody's but the task's own process and thread's."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, Final

from pyqueue.exceptions import TransactionError
from pyqueue.foreign.host import Host, Value


class Here(Host):
    """Another host, in the process and the thread that it was made in.

    A thread and a fork have a copy of the context that ``delay`` goes by.
    """

    def __init__(self, host: Host, task: str) -> None:
        super().__init__(host.raw)
        self.client = host.client
        self.immediate = host.immediate
        self._host: Final = host
        self._task: Final = task
        self._pid: Final = os.getpid()
        self._thread: Final = threading.get_ident()

    def _usable(self) -> Host:
        if os.getpid() != self._pid:
            raise TransactionError(
                f"this process was forked inside of transaction() in {self._task}, whose connection is its parent's: "
                f"nothing was stored; fork before the block, or make the job in the parent"
            )
        if threading.get_ident() != self._thread:
            raise TransactionError(
                f"another thread than that of {self._task} makes a job inside of its transaction(): nothing was "
                f"stored; make it in the block itself"
            )
        return self._host

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """As the host does."""
        return self._usable().execute(sql, values)

    def inserted(self, sql: str, values: Sequence[Value]) -> bool:
        """As the host does."""
        return self._usable().inserted(sql, values)

    def in_transaction(self) -> bool:
        """As the host says."""
        return self._usable().in_transaction()

    def join(self) -> None:
        """As the host does."""
        self._usable().join()

    def begin(self) -> None:
        """As the host does."""
        self._usable().begin()

    def commit(self) -> None:
        """As the host does."""
        self._usable().commit()

    def rollback(self) -> None:
        """As the host does."""
        self._usable().rollback()

    def code_of(self, error: Exception) -> int | None:
        """As the host says."""
        return self._host.code_of(error)
