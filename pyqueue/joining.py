"""Through which foreign connection an app sends now, if not by its own."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyqueue.foreign.host import Host

_innermost: ContextVar[Joined | None] = ContextVar("pyqueue_joined", default=None)


class Joined:
    """For a ``with`` block: what ``app`` sends goes through ``host``, and is stored if its transaction commits."""

    __slots__ = ("_token", "app", "ended", "host", "outer")

    def __init__(self, app: object, host: Host) -> None:
        self.app = app
        self.host = host
        self.ended = False
        self.outer: Joined | None = None
        self._token: Token[Joined | None] | None = None

    def __enter__(self) -> Any:
        if self._token is not None or self.ended:
            raise RuntimeError("a joined block can be entered once; call using() again")
        self.outer = _innermost.get()
        self._token = _innermost.set(self)
        return self.host.raw

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended = True
        if self._token is not None:
            _innermost.reset(self._token)


def host_of(app: object) -> Host | None:
    """Through what ``app`` sends here and now; None: by its own connection."""
    joined = _innermost.get()
    # A coroutine that was started in a block has a copy of its context, also once the block has ended.
    while joined is not None and (joined.ended or joined.app is not app):
        joined = joined.outer
    return None if joined is None else joined.host
