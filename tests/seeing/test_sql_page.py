"""Each question of docs/sql.md is asked of a file with known data, by Python's SQLite and by the command line's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from known import DIED, DONE, Known, again, failed

PAGE = (Path(__file__).parent.parent.parent / "docs" / "sql.md").read_text()
QUESTIONS = dict(re.findall(r"^\*\*([^*]*\?)\*\*.*?^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
DAY = 86_400.0


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "app.db")


def answer(known: Known, question: str) -> list[tuple[Any, ...]]:
    [query] = [query for text, query in QUESTIONS.items() if question in text]
    rows = known.ask(query)
    if shutil.which("sqlite3"):
        shown = subprocess.run(
            ["sqlite3", "-readonly", "-separator", "\t", known.path, query],
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(shown.stdout.splitlines()) == len(rows)
    return rows


def without(rows: Sequence[tuple[Any, ...]], column: int) -> list[tuple[Any, ...]]:
    return [row[:column] + row[column + 1 :] for row in rows]


def test_the_page_has_ten() -> None:
    assert len(QUESTIONS) == 10


def test_failed_most_this_week(known: Known) -> None:
    for ago in (60, 3600, 3 * DAY):
        known.life("mail.send", outcomes=[failed("smtplib.SMTPError", "x")], ago=ago)
    known.life("mail.send", outcomes=[failed("OSError", "y")])
    known.life("report", outcomes=[again("ValueError"), failed("ValueError", "z")])
    known.life("report", outcomes=[failed("ValueError", "z")], ago=8 * DAY)
    known.life("report", outcomes=[DONE])
    found = without(answer(known, "failed most"), 3)
    assert found == [
        ("mail.send", "smtplib.SMTPError", 3),
        ("mail.send", "OSError", 1),
        ("report", "ValueError", 1),
    ]


def test_slowest(known: Known) -> None:
    for ran in range(1, 101):
        known.life("slow", outcomes=[DONE], ran=ran)
    known.life("quick", outcomes=[DONE], ran=0.5)
    known.life("quick", outcomes=[failed("E", "")], ran=1000)
    assert answer(known, "slowest") == [
        ("slow", 100, pytest.approx(50.5), 95.0, 100.0),
        ("quick", 1, 0.5, 0.5, 0.5),
    ]


def test_invoices(known: Known) -> None:
    for number, customer in ((7, "Ada"), (8, "Bob"), (9, "Cy")):
        known.ask("INSERT INTO invoice VALUES(?, ?)", number, customer)
    for number, times in ((7, 3), (8, 1), (9, 2)):
        for _ in range(times):
            known.life("billing.charge", number, outcomes=[failed("Declined", "")])
    known.life("billing.charge", 8, outcomes=[DONE])
    assert answer(known, "invoices") == [("Ada", 7, 3), ("Cy", 9, 2)]


def test_waiting_longest(known: Known) -> None:
    store, ids = known.app.store, []
    for age in (600, 60):
        ids.append(known.app.send_task("t", queue="mail").id)
        known.ask(
            "UPDATE pyqueue_job SET enqueued=enqueued-? WHERE id=(SELECT max(id) FROM pyqueue_job)",
            age * 10**6,
        )
    known.app.send_task("t", countdown=5)
    assert [job.id for job in store.jobs(queue="mail")] == ids[::-1]
    found = answer(known, "waiting longest")
    assert without(found, 4) == [(ids[0], "t", "mail", "waiting"), (ids[1], "t", "mail", "waiting")]
    assert found[0][4] - found[1][4] == pytest.approx(540, abs=2)


def test_each_minute(known: Known) -> None:
    for ago in (60, 60, 660, 4000):
        known.life("t", outcomes=[again("E"), DONE], ago=ago)
    known.life("t", outcomes=[failed("E", "")], ago=660)
    found = answer(known, "each minute")
    assert without(found, 0) == [(2, 1), (2, 2)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", minute) for minute, *_ in found)


def test_retries_help(known: Known) -> None:
    known.life("a", outcomes=[again("E"), DONE])
    known.life("a", outcomes=[again("E"), again("E"), failed("E", "")])
    known.life("a", outcomes=[DONE])
    known.life("b", outcomes=[again("E"), DONE])
    assert answer(known, "retries help") == [("a", 2, 1), ("b", 1, 1)]


def test_who_runs_what(known: Known) -> None:
    ids = [known.app.send_task("t", (n,), priority=n).id for n in range(3)]
    known.app.store.claim(known.worker, 2)
    assert answer(known, "Who runs") == sorted(("w1", os.getpid(), "t", id) for id in ids[1:])


def test_last_success(known: Known) -> None:
    known.life("a", outcomes=[DONE], ago=600)
    known.life("a", outcomes=[DONE], ago=7200)
    known.life("b", outcomes=[DONE], ago=3600)
    known.life("c", outcomes=[failed("E", "")])
    found = answer(known, "last succeed")
    assert [task for task, _ in found] == ["b", "a"]


def test_workflow(known: Known) -> None:
    ids = known.nightly()
    assert without(answer(known, "workflow"), 3) == [
        (ids[1], "nightly.sweep", "waiting", None),
        (ids[2], "nightly.mail", "waiting", None),
        (ids[0], "nightly.dump", "success", None),
    ]


def test_dead(known: Known) -> None:
    one, two = (known.life("crash", outcomes=[DIED]) for _ in range(2))
    known.life("crash", outcomes=[failed("E", "")])
    [found] = answer(known, "dead jobs")
    assert (found[0], found[3], found[4]) == ("crash", 2, min(one, two))
    assert "killed" in found[2]


def test_other_data_has_other_answers(known: Known) -> None:
    """No question is so written that it always finds something."""
    for question in QUESTIONS:
        assert answer(known, question) == []
