"""What is shown: a moment of a file, without a way back to it."""

from __future__ import annotations

from typing import Final, NamedTuple

SORTS: Final = ("name", "waiting", "oldest", "busiest")
"""Orders of the queues."""


class QueueRow(NamedTuple):
    """A queue. Rates are jobs a second, ages and times seconds."""

    name: str
    paused: bool
    waiting: int
    delayed: int
    parked: int
    running: int
    age: float | None
    """Of the oldest job in line."""
    came: float | None
    went: float | None


class WorkerRow(NamedTuple):
    """A worker."""

    name: str
    state: str
    pid: int | None
    busy: int | None
    slots: int
    jobs: int
    why: str | None


class JobRow(NamedTuple):
    """A job that runs or waits."""

    id: str
    task: str
    queue: str
    state: str
    worker: str | None
    time: float | None
    """Since its start, or since its call."""
    limit: float | None


class FailureRow(NamedTuple):
    """A job that failed or is dead."""

    id: str
    task: str
    error: str
    ago: float


class GateRow(NamedTuple):
    """What is paused, or has a rate."""

    what: str
    waiting: int
    rate: float | None
    reason: str | None


class Frame(NamedTuple):
    """A moment."""

    path: str
    clock: str
    queues: tuple[QueueRow, ...] = ()
    workers: tuple[WorkerRow, ...] = ()
    jobs: tuple[JobRow, ...] = ()
    failures: tuple[FailureRow, ...] = ()
    gates: tuple[GateRow, ...] = ()
    came: float | None = None
    went: float | None = None
    failed: float | None = None

    @property
    def unfinished(self) -> int:
        """Jobs that have not ended and don't run."""
        return sum(each.waiting + each.delayed + each.parked for each in self.queues)

    @property
    def running(self) -> int:
        """Jobs that workers have."""
        return sum(each.running for each in self.queues)


class View(NamedTuple):
    """How the user wants to see it."""

    sort: str = SORTS[0]
    waiting: bool = False
    """Jobs that wait, in place of those that run."""
    selected: tuple[str, str] | None = None
    """What kind of row and which: rows come and go between two looks."""
    asks: tuple[str, str] | None = None
    """A question to be answered by y, and the job that it is about."""
    says: str = ""
    help: bool = False


Row = QueueRow | JobRow | FailureRow


def key_of(row: Row) -> tuple[str, str]:
    """By which a row is known from one frame to the next."""
    match row:
        case QueueRow():
            return ("queue", row.name)
        case JobRow():
            return ("job", row.id)
        case FailureRow():
            return ("failure", row.id)


def rows_of(frame: Frame, view: View) -> list[Row]:
    """What can be selected, in the order in which it is shown."""
    return [*sorted_queues(frame, view), *frame.jobs, *frame.failures]


def sorted_queues(frame: Frame, view: View) -> list[QueueRow]:
    """The queues in the order that is wanted."""
    match view.sort:
        case "waiting":
            return sorted(frame.queues, key=lambda each: (-each.waiting, each.name))
        case "oldest":
            return sorted(frame.queues, key=lambda each: (-(each.age or 0.0), each.name))
        case "busiest":
            return sorted(frame.queues, key=lambda each: (-(each.went or 0.0), each.name))
    return sorted(frame.queues, key=lambda each: each.name)
