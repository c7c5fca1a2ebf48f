"""The part of an app that looks on: what happens, and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pyqueue.configured import Configured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta

    from pyqueue._core import Stats
    from pyqueue.app import PyQueue


class Observed(Configured):
    """``events`` and ``stats``."""

    def events(
        self,
        after: str | None = None,
        types: Iterable[str] | None = None,
        follow: bool = False,
        timeout: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """What has happened behind the cursor ``after``, in the order of commits, under Celery's names.

        With ``follow`` also what happens from now on, as it happens: without an end, or until nothing has happened for
        ``timeout`` seconds. Without a cursor: all that is kept,
        or with ``follow`` what is to come; ``"start"``: all that is kept, in any case. Each event has its ``cursor``, with
        which another process goes on. ``task-sent``, ``task-received`` and those of workers are written only while
        somebody follows them. Where some are not told, ``events-missed`` says so, whatever the ``types``.
        """
        from pyqueue.events import happening  # noqa: PLC0415  for those who look

        return happening(cast("PyQueue", self).store, after, types, follow, timeout)

    def stats(
        self,
        task: str | None = None,
        since: float | timedelta | datetime = 3600.0,
        limit: int = 1_000_000,
    ) -> Stats:
        """How long jobs waited and ran, by task, from the history.

        ``task`` is a pattern with ``*``, ``?`` and ``[…]``; ``since`` a datetime, or seconds or a timedelta ago; at most
        the newest ``limit`` attempts are looked at.
        """
        from pyqueue._core import Stats  # noqa: PLC0415  as above
        from pyqueue.moments import before_us  # noqa: PLC0415  as above

        store = cast("PyQueue", self).store
        return Stats(store, before_us(since, store.now_us), limit, task)
