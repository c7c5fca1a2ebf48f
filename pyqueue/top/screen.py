"""Lines of a frame: a function of what is to be shown and of the room there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from pyqueue.plain import plain
from pyqueue.top.state import Frame, GateRow, JobRow, QueueRow, Row, View, WorkerRow, key_of, sorted_queues

T = TypeVar("T")

KEYS: Final = "q quit  ? help  p pause/resume  c cancel  t retry  s sort  w waiting/running"
HELP: Final = (
    "up, down, j, k   select a queue, a job or a failure",
    "p                pause or resume the selected queue, or the task of the selected job",
    "c                cancel the selected job; asks before",
    "t                run the selected failed job once more, as a new job",
    "s                sort the queues by name, jobs waiting, age of the oldest, jobs that end",
    "w                show jobs that wait (of the selected queue) in place of those that run",
    "?                close this help",
    "q                quit",
)
_SECONDS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))
_FRAME: Final = 2
"""Lines of a table that are no rows: a blank and the header."""
_NARROWEST: Final = 8


class Line(NamedTuple):
    """A line and its style: title, bad, good, dim, selected, or none."""

    text: str
    style: str = ""


def lines(frame: Frame, view: View, width: int, height: int | None = None) -> list[Line]:
    """The frame in ``width`` columns and ``height`` lines; without a height all of it, without keys."""
    top = _head(frame)
    if view.help:
        body = [Line(""), *(Line(f"  {text}") for text in HELP)]
    else:
        body = _body(frame, view, width, None if height is None else height - len(top) - 1)
    shown = [*top, *body]
    if height is not None:
        shown = shown[: height - 1]
        shown += [Line("")] * (height - 1 - len(shown))
        question = None if view.asks is None else Line(f"{view.asks[0]} (y/n)", "bad")
        shown.append(question or Line(view.says or KEYS, "" if view.says else "dim"))
    return [Line(_cut(plain(line.text), width), line.style) for line in shown]


def _head(frame: Frame) -> list[Line]:
    sick = sum(each.state in ("dead", "wedged") for each in frame.workers)
    workers = f"{len(frame.workers)} worker{'' if len(frame.workers) == 1 else 's'}"
    counts = (
        f"{frame.unfinished:,} to do  {frame.running:,} running  in {_rate(frame.came)}/s  out {_rate(frame.went)}/s  "
        f"failed {_rate(frame.failed)}/s  {workers}"
    )
    return [
        Line(f"pyqueue top  {frame.clock}  {frame.path}", "title"),
        Line(counts + (f", {sick} of them dead or wedged" if sick else ""), "bad" if sick else ""),
        *(Line(_gate(each), "bad") for each in frame.gates[:3]),
        *(
            [Line(f"and {len(frame.gates) - 3} more are paused or slowed", "bad")]
            if len(frame.gates) > 3
            else []
        ),
    ]


def _gate(gate: GateRow) -> str:
    held = f"{gate.what} is paused" if gate.rate is None else f"{gate.what} goes at {gate.rate:.3g}/s"
    # Those of a queue stay in line.
    aside = f", {gate.waiting:,} set aside" if gate.waiting else ""
    return held + aside + (f" ({gate.reason})" if gate.reason else "")


def _body(frame: Frame, view: View, width: int, room: int | None) -> list[Line]:
    queues = sorted_queues(frame, view)
    sizes = (len(queues), len(frame.workers), len(frame.jobs), len(frame.failures))
    shares = sizes if room is None else _shares(sizes, room - _FRAME * len(sizes) - sizes.count(0))
    title = "in line" if view.waiting else "running"
    made = (
        _queues(queues, view),
        _workers(frame.workers),
        _jobs(title, frame.jobs, view),
        _failures(frame),
    )
    parts: list[Line] = []
    for section, share in zip(made, shares, strict=True):
        parts += [Line(""), *_shown(section, view, share, width)]
    return parts


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Who needs less than an equal share leaves the rest to the others."""
    shares, left = [0] * len(sizes), max(0, room)
    for place, (size, at) in enumerate(sorted((size, at) for at, size in enumerate(sizes))):
        shares[at] = min(size, left // (len(sizes) - place))
        left -= shares[at]
    return shares


def _window(rows: Sequence[T], many: int, selected: int | None) -> tuple[int, Sequence[T]]:
    """So many of the rows, the selected one among them; where they begin."""
    start = 0 if selected is None or selected < many else selected - many + 1
    start = max(0, min(start, len(rows) - many))
    return start, rows[start : start + many]


class Section(NamedTuple):
    """A table: each row's cells, its style, and what it is if it can be selected."""

    header: Sequence[str]
    left: Sequence[int]
    rows: Sequence[tuple[Sequence[str], str, Row | None]]


def _shown(section: Section, view: View, many: int, width: int) -> list[Line]:
    keys = [None if row is None else key_of(row) for *_, row in section.rows]
    chosen = keys.index(view.selected) if view.selected is not None and view.selected in keys else None
    start, shown = _window(section.rows, many, chosen)
    table = [section.header, *(cells for cells, *_ in shown)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    while over > 0 and widths[widest := max(section.left, key=lambda at: widths[at])] > _NARROWEST:
        widths[widest] -= 1
        over -= 1
    found = [Line(_row(section.header, widths, section.left), "title")]
    for at, (cells, style, _) in enumerate(shown, start):
        found.append(Line(_row(cells, widths, section.left), "selected" if at == chosen else style))
    return found if section.rows else [*found, Line("none", "dim")]


def _row(cells: Sequence[str], widths: Sequence[int], left: Iterable[int]) -> str:
    to_left = set(left)
    padded = [
        _cut(cell, width).ljust(width) if at in to_left else _cut(cell, width).rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _queues(queues: Sequence[QueueRow], view: View) -> Section:
    header = [f"queues by {view.sort}", "waiting", "delayed", "aside", "running", "oldest", "in/s", "out/s"]
    rows = [
        (
            [
                plain(each.name) + (" (paused)" if each.paused else ""),
                f"{each.waiting:,}",
                f"{each.delayed:,}",
                f"{each.parked:,}",
                f"{each.running:,}",
                seconds(each.age),
                _rate(each.came),
                _rate(each.went),
            ],
            "bad" if each.paused else "",
            each,
        )
        for each in queues
    ]
    return Section(header, (0,), rows)


def _workers(workers: Sequence[WorkerRow]) -> Section:
    rows = [
        (
            [
                plain(each.name),
                each.state,
                "-" if each.pid is None else str(each.pid),
                f"{'?' if each.busy is None else each.busy}/{each.slots}",
                f"{each.jobs:,}",
                plain(each.why or ""),
            ],
            "bad" if each.state in ("dead", "wedged") else "",
            None,
        )
        for each in workers
    ]
    return Section(["workers", "state", "pid", "busy", "jobs", ""], (0, 1, 5), rows)


def _jobs(title: str, jobs: Sequence[JobRow], view: View) -> Section:
    header = [title, "id", "queue" if view.waiting else "worker", "for", "limit"]
    rows = [
        (
            [plain(each.task), each.id, plain(each.worker or each.queue), seconds(each.time), _limit(each)],
            "bad" if each.limit is not None and (each.time or 0.0) >= 0.9 * each.limit else "",
            each,
        )
        for each in jobs
    ]
    return Section(header, (0, 1, 2), rows)


def _limit(job: JobRow) -> str:
    if job.limit is None:
        return "-"
    share = "" if not job.limit else f" {(job.time or 0.0) / job.limit:4.0%}"
    return f"{seconds(job.limit)}{share}"


def _failures(frame: Frame) -> Section:
    rows = [
        ([plain(each.task), each.id, plain(each.error), seconds(each.ago)], "", each)
        for each in frame.failures
    ]
    return Section(["failed", "id", "error", "ago"], (0, 1, 2), rows)


def seconds(time: float | None) -> str:
    """A length of time: 0.4 s, 12 s, 3 m."""
    if time is None:
        return "-"
    if time < 10:
        return f"{time:.1f} s"
    size, unit = next(((size, unit) for size, unit in _SECONDS if time >= 2 * size), (1, "s"))
    return f"{int(time // size)} {unit}"


def _rate(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate:,.0f}" if rate >= 99.95 else f"{rate:.1f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else (text[: max(0, width - 3)] + "...")[:width]
