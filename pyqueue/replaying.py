"""Failed and dead jobs: found by what they are, and run once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pyqueue.exceptions import InvalidJob

if TYPE_CHECKING:
    from pyqueue._core import JobSummary, Store

MOST: Final = 100_000
"""Jobs of one call, so that its memory is bounded."""

Ended = Literal["failed", "dead"]


class Which(NamedTuple):
    """What jobs must be to be found. Patterns have ``*``, ``?`` and ``[…]``."""

    task: str | None = None
    """A pattern of names."""
    queue: str | None = None
    state: Ended | None = None
    """None is both."""
    error: str | None = None
    """A pattern of the class, with or without its module, or of ``Class: message``."""
    since_us: int | None = None
    """Ended at this wall time (µs) or later."""


class Found(NamedTuple):
    """The jobs, those that ended first before the others."""

    jobs: list[JobSummary]
    more: bool
    """There are some that were left out."""


def found(store: Store, which: Which, limit: int = MOST) -> Found:
    """Looks through what is kept of ended jobs, and gives up to ``limit``. Raises InvalidJob for a wrong state."""
    if which.state not in (None, "failed", "dead"):
        raise InvalidJob(f"what is run once more was failed or dead, not {which.state!r:.40}")
    states: tuple[Ended, ...] = ("failed", "dead") if which.state is None else (which.state,)
    jobs: list[JobSummary] = []
    more = False
    for state in states:
        some = store.jobs(**{**which._asdict(), "state": state}, limit=MOST + 1)
        more |= len(some) > MOST
        jobs += some[:MOST]
    jobs.sort(key=lambda job: (job.finished_us or 0, job.enqueued_us))
    return Found(jobs[:limit], more or len(jobs) > limit)


def refusal(id: str, state: str) -> str:
    """Why a job that is there can't be run once more."""
    if state in ("failed", "dead"):
        return f"{id} can't be retried: its arguments are not kept any more"
    return f"{id} is {state}: only what failed or is dead can be retried"
