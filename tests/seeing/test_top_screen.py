"""The lines of a frame: a function, so it is asked about any frame."""

from __future__ import annotations

import random

import pytest

from pyqueue.top.screen import HELP, KEYS, Line, lines
from pyqueue.top.state import (
    SORTS,
    FailureRow,
    Frame,
    GateRow,
    JobRow,
    QueueRow,
    View,
    WorkerRow,
    key_of,
    rows_of,
)

ID = "0017f000-0000-8000-8f73-163970749aae"


def queue(name: str, waiting: int = 0, age: float | None = None, went: float | None = None) -> QueueRow:
    return QueueRow(name, False, waiting, 0, 0, 0, age, None, went)


def job(number: int, time: float = 1.0, limit: float | None = None) -> JobRow:
    return JobRow(f"{ID[:-3]}{number:03}", "report.build", "default", "running", "w1", time, limit)


def failure(number: int) -> FailureRow:
    return FailureRow(f"{ID[:-3]}{number:03}", "mail.send", "SMTPError: no", 3.0)


def frame(queues: int = 2, workers: int = 1, jobs: int = 3, failures: int = 2) -> Frame:
    return Frame(
        path="/srv/jobs.db",
        clock="12:00:00",
        queues=tuple(queue(f"q{n}", n) for n in range(queues)),
        workers=tuple(WorkerRow(f"w{n}", "busy", 7, 1, 2, 1, None) for n in range(workers)),
        jobs=tuple(job(n) for n in range(jobs)),
        failures=tuple(failure(500 + n) for n in range(failures)),
    )


def texts(found: list[Line]) -> list[str]:
    return [line.text for line in found]


def test_what_is_shown() -> None:
    shown = Frame(
        "/srv/jobs.db",
        "12:00:00",
        (QueueRow("mail", True, 12_345, 6, 7, 1, 754.0, 10.04, 120.0),),
        (WorkerRow("w1", "wedged", 77, None, 4, 1, "its loop stands still"),),
        (job(1, 55.0, 60.0),),
        (failure(2),),
        (GateRow("queue mail", 7, None, "by ada: too much"), GateRow("task t", 0, 0.5, None)),
        10.04,
        120.0,
        0.2,
    )
    assert texts(lines(shown, View(), 120)) == [
        "pyqueue top  12:00:00  /srv/jobs.db",
        "12,358 to do  1 running  in 10.0/s  out 120/s  failed 0.2/s  1 worker, 1 of them dead or wedged",
        "queue mail is paused, 7 set aside (by ada: too much)",
        "task t goes at 0.5/s",
        "",
        "queues by name  waiting  delayed  aside  running  oldest  in/s  out/s",
        "mail (paused)    12,345        6      7        1    12 m  10.0    120",
        "",
        "workers  state   pid  busy  jobs",
        "w1       wedged   77   ?/4     1  its loop stands still",
        "",
        "running       id                                    worker   for      limit",
        "report.build  0017f000-0000-8000-8f73-163970749001  w1      55 s  60 s  92%",
        "",
        "failed     id                                    error            ago",
        "mail.send  0017f000-0000-8000-8f73-163970749002  SMTPError: no  3.0 s",
    ]
    styles = {line.text.split()[0]: line.style for line in lines(shown, View(), 120) if line.text}
    assert {name: styles[name] for name in ("mail", "w1", "report.build")} == dict.fromkeys(
        ("mail", "w1", "report.build"), "bad"
    )


@pytest.mark.parametrize(("time", "style"), [(53.9, ""), (54.1, "bad")])
def test_a_job_is_red_from_nine_tenths_of_its_limit_on(time: float, style: str) -> None:
    shown = Frame("/srv/jobs.db", "12:00:00", jobs=(job(1, time, 60.0),))
    [line] = [line for line in lines(shown, View(), 120) if line.text.startswith("report.build")]
    assert line.style == style


def test_it_fits_any_room_and_shows_what_is_selected() -> None:
    dice = random.Random(5)
    for _ in range(400):
        shown = frame(*(dice.choice([0, 1, 3, 40]) for _ in range(4)))
        rows = rows_of(shown, View())
        chosen = key_of(dice.choice(rows)) if rows else None
        width, height = dice.randrange(30, 160), dice.randrange(20, 60)
        view = View(sort=dice.choice(SORTS), selected=chosen)
        found = lines(shown, view, width, height)
        assert len(found) == height
        assert max(len(line.text) for line in found) <= width
        assert [line.style for line in found].count("selected") == (chosen is not None), (shown, view)
        assert found[-1].text.startswith(KEYS[: width - 3])


def test_a_small_room_is_filled_as_far_as_it_goes() -> None:
    for height in range(1, 20):
        assert len(lines(frame(), View(), 80, height)) == height
    for width in range(1, 30):
        assert max(len(line.text) for line in lines(frame(), View(), width, 24)) <= width


@pytest.mark.parametrize(
    ("sort", "order"),
    [("name", "abc"), ("waiting", "bca"), ("oldest", "cab"), ("busiest", "bac")],
)
def test_orders_of_queues(sort: str, order: str) -> None:
    several = (queue("b", 9, None, 5.0), queue("a", 1, 2.0, 1.0), queue("c", 2, 7.0, 0.0))
    found = lines(Frame("", "", several), View(sort=sort), 80)
    start = texts(found).index(next(text for text in texts(found) if text.startswith("queues by")))
    assert "".join(text[0] for text in texts(found)[start + 1 : start + 4]) == order


def test_a_question_takes_the_place_of_the_keys_and_an_answer_too() -> None:
    asked = lines(frame(), View(asks=("cancel it?", ID)), 80, 24)[-1]
    assert asked == Line("cancel it? (y/n)", "bad")
    assert lines(frame(), View(says="done"), 80, 24)[-1].text == "done"


def test_help_takes_the_place_of_the_tables() -> None:
    found = texts(lines(frame(), View(help=True), 100, 24))
    assert [text.strip() for text in found if text.startswith("  ")] == list(HELP)


def test_names_from_the_file_reach_no_terminal_as_they_are() -> None:
    evil = "\x1b[2J\x07"
    shown = frame()._replace(
        queues=(queue(evil),),
        workers=(WorkerRow(evil, "busy", 1, 1, 1, 1, evil),),
        jobs=(job(1)._replace(task=evil, worker=evil),),
        failures=(failure(1)._replace(task=evil, error=evil),),
        gates=(GateRow(evil, 1, None, evil),),
    )
    for line in lines(shown, View(selected=("queue", evil)), 100, 30):
        assert line.text.isprintable()
