"""The part of an app that is about many jobs at once: pauses, rates, and jobs by what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pyqueue.author import whoami
from pyqueue.configured import Configured
from pyqueue.exceptions import InvalidJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyqueue._core import Gate, Store
    from pyqueue.app import PyQueue
    from pyqueue.result import AsyncResult
    from pyqueue.where import Where


class Done(NamedTuple):
    """What became of the jobs that were meant."""

    done: int
    asked: int
    """Ran, and were asked to end."""
    running: int
    """Ran, and were left alone."""
    taken: int
    """Stay, because their dedup key is taken where they should go."""


class Jobs:
    """The jobs that have not ended and fit a filter at the moment of each call.

    What is done to many is done some hundred at a time; jobs that come meanwhile are left alone.
    """

    def __init__(self, store: Store, which: Where) -> None:
        self._store = store
        self._which = which

    def _selection(self) -> Any:
        from pyqueue._core import Selection  # noqa: PLC0415  for those who use it

        return Selection(self._store, self._which.core(self._store.now_us()))

    def count(self) -> int:
        """How many there are. Reads every job that has not ended."""
        self._store.fold()
        return int(self._selection().count())

    def list(self, limit: int = 50) -> list[AsyncResult[Any]]:
        """The first of them."""
        from pyqueue.result import AsyncResult  # noqa: PLC0415  it would be imported in a circle

        if limit < 1:
            return []
        self._store.fold()
        return [AsyncResult(job.id, self._store) for job in self._selection().list(limit)]

    def cancel(self, *, running: bool = False, signal: str | int = "TERM", grace: float = 5.0) -> Done:
        """Cancels them. With ``running`` those that run are ended, as by ``AsyncResult.revoke(terminate=True)``."""
        return Done(*self._selection().cancel(means(signal, grace) if running else None))

    def move(self, queue: str) -> Done:
        """Moves them to the end of the line of another queue; their ids stay. Raises InvalidJob for a wrong name."""
        return Done(*self._selection().move(queue))

    def set_priority(self, priority: int) -> Done:
        """Moves them to the end of the line of another priority, -128 to 127. Raises InvalidJob for any other number."""
        if not -128 <= priority <= 127:
            raise InvalidJob(f"a priority is a whole number from -128 to 127, not {priority!r:.80}")
        return Done(*self._selection().prioritize(priority))


class Selecting(Configured):
    """``jobs``, ``pause``, ``resume``, ``gates``, ``why``."""

    def jobs(self, where: str = "") -> Jobs:
        """The jobs that have not ended and fit ``where``, such as ``"task=report.* queue=mail age>1h"``.

        Fields: ``task``, ``queue``, ``key`` (patterns with ``*``, ``?`` and ``[…]``), ``state``, ``age``, ``priority``,
        ``retries``. Raises InvalidFilter.
        """
        from pyqueue.where import where as read  # noqa: PLC0415  for those who use it

        which = read(where)
        which.core(0)
        return Jobs(self._file, which)

    def pause(
        self,
        where: str,
        *,
        running: bool = False,
        signal: str | int = "TERM",
        grace: float = 5.0,
        reason: str | None = None,
        author: str | None = None,
    ) -> int:
        """Lets no job start that fits ``where``, of ``task=``, ``queue=`` and ``key=``; not those either that come later.

        With ``running`` those that run come back in line and the attempt does not count: Terminated is raised in the
        task, its process gets ``signal`` after ``grace`` seconds and is killed after as many again. How many were
        asked. Raises InvalidFilter.
        """
        from pyqueue._core import Gates  # noqa: PLC0415  for those who use it
        from pyqueue.where import where as read  # noqa: PLC0415

        return Gates(self._file).pause(
            **cast("dict[str, Any]", read(where).scope()),
            author=whoami() if author is None else author,
            reason=reason,
            running=means(signal, grace) if running else None,
        )

    def resume(self, where: str, *, rate: str | None = None) -> bool:
        """Lets them start again: all, or at a rate such as ``"5/m"``, which stays until the next ``resume``.

        False if nothing has changed. Raises InvalidFilter, ValueError for what is no rate.
        """
        from pyqueue._core import Gates  # noqa: PLC0415  for those who use it
        from pyqueue.rates import rate as read_rate  # noqa: PLC0415
        from pyqueue.where import where as read  # noqa: PLC0415

        scope = cast("dict[str, Any]", read(where).scope())
        return Gates(self._file).resume(**scope, rate_us=None if rate is None else read_rate(rate).each_us)

    def why(self, id: str) -> str:
        """What a job waits for, in a sentence or two."""
        from pyqueue.why import why  # noqa: PLC0415  for those who use it

        return why(self._file, id)

    def gates(self) -> Sequence[Gate]:
        """What is paused, or let out at a rate."""
        from pyqueue._core import Gates  # noqa: PLC0415  for those who use it

        return Gates(self._file).list()

    @property
    def _file(self) -> Store:
        return cast("PyQueue", self).store


def means(signal: str | int, grace: float) -> tuple[int, int]:
    """How what runs is ended: the signal, and the time between two steps (µs). Raises ValueError for what is none."""
    from pyqueue.moments import length_us  # noqa: PLC0415  as above
    from pyqueue.states import signal_number  # noqa: PLC0415

    return signal_number(signal), length_us(grace, "grace")
