"""Schedules of an app's code and those made at run time, on real files."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pyqueue import Celery, PyQueue, request
from pyqueue._core import Schedules
from pyqueue.exceptions import InvalidSchedule
from pyqueue.schedules import crontab, schedule
from pyqueue.wall_times import us_of
from pyqueue.worker import ticking
from pyqueue.worker.ticking import MANY, Tick, source_of

HOUR_US = 3_600_000_000
NOON = us_of(datetime(2026, 6, 1, 12, tzinfo=UTC))


def app_of(folder: Path) -> Celery:
    app = Celery("proj", broker=f"sqlite:///{folder}/jobs.db")

    @app.task(name="add", queue="sums", priority=5)
    def add(x: int, y: int) -> int:
        return x + y

    return app


@pytest.fixture
def app(tmp_path: Path) -> Celery:
    return app_of(tmp_path)


def rows(app: PyQueue) -> Schedules:
    return Schedules(app.store)


def messages(app: PyQueue) -> list[dict[str, Any]]:
    connection = sqlite3.connect(app.path)
    try:
        found = connection.execute("SELECT payload FROM pyqueue_job WHERE payload IS NOT NULL ORDER BY id")
        return [json.loads(body) for (body,) in found]
    finally:
        connection.close()


class Clock:
    def __init__(self, us: int) -> None:
        self.us = us

    def __call__(self) -> int:
        return self.us


def test_celerys_ways_to_say_it(app: Celery) -> None:
    add = app.tasks["add"]
    app.conf.beat_schedule = {
        "table": {
            "task": "add",
            "schedule": 30.0,
            "args": (1, 2),
            "options": {"queue": "own", "expires": 15},
        },
        "cron": {"task": "add", "schedule": crontab(0, 7), "kwargs": {"x": 1, "y": 2}},
        "relative": {"task": "add", "schedule": timedelta(hours=1), "args": [1, 2], "relative": True},
    }

    @app.on_after_configure.connect
    def set_up(sender: Celery, **_: Any) -> None:
        sender.add_periodic_task(10.0, add.s(3, 4), name="added")
        sender.add_periodic_task(crontab(minute="*/5"), add.s(3), args=(5,))

    @app.periodic_task(crontab(0, 3), overlap="skip")
    @app.task(name="nightly")
    def nightly() -> None: ...

    app.finalize()
    app.finalize()
    Tick(app, Clock(NOON)).declare("proj", 0)
    found = {each.name: each for each in app.schedules}
    assert set(found) == {"table", "cron", "relative", "added", "add(3)", "nightly"}
    assert found["table"].schedule == schedule(30)
    assert found["nightly"].next == datetime(2026, 6, 2, 3, tzinfo=UTC)
    assert found["relative"].next == datetime(2026, 6, 1, 13, tzinfo=UTC)
    assert found["added"].source == "proj"
    assert callable(nightly)


def test_a_job_is_what_the_call_would_have_made(app: Celery) -> None:
    app.schedules.add("s", 60, "add", (1,), {"y": 2}, options={"expires": 3_600, "headers": {"own": 1}})
    clock = Clock(app.store.now_us() + 61_000_000)
    stranger = PyQueue(app.path)
    Tick(stranger, clock).fire()
    (job,) = app.store.jobs()
    assert (job.task, job.queue, job.priority) == ("add", "sums", 5), (
        "the task's own options, where it is unknown"
    )
    (told,) = messages(app)
    assert (told["args"], told["kwargs"]) == ([1], {"y": 2})
    time = app.schedules.get("s")
    assert time is not None
    assert time.last is not None
    assert told["headers"] == {"own": 1, "periodic_task_name": "s", "scheduled_for": time.last.isoformat()}
    assert time.job == job.id
    assert time.fired == 1


def test_link_error_follows_also_where_no_app_is(app: Celery) -> None:
    app.schedules.add("s", 60, app.tasks["add"].s(1, 2).set(link_error=app.tasks["add"].si(0, 0)))
    run = app.schedules.run("s")
    worker = app.store.join("w", 1, 30_000_000)
    (job,) = app.store.claim(worker, 1)
    assert job.id == run.id
    from pyqueue._core import Outcome

    for _ in range(5):
        app.store.finish([(job, Outcome.lost("its process died"))])
        (job,) = app.store.claim(worker, 1)
    assert job.id != run.id


def test_what_passed_in_a_pause_is_not_made_up_for(app: Celery, eventually: Callable[..., None]) -> None:
    begun = app.schedules.add("s", 0.05, "add", (1, 2))
    assert begun.next is not None
    app.schedules.pause("s")
    passed = us_of(begun.next)
    eventually(lambda: app.store.now_us() > passed)
    resumed = app.store.now_us()
    assert app.schedules.resume("s")
    again = app.schedules.get("s")
    assert again is not None
    assert again.next is not None
    assert us_of(again.next) > resumed


def test_pausing_resuming_running_removing(app: Celery) -> None:
    schedules = app.schedules
    schedules.add("s", 60, "add", (1, 2))
    assert schedules.pause("s")
    assert Tick(app, Clock(app.store.now_us() + HOUR_US)).fire() is None
    assert app.store.jobs() == []
    shown = schedules.get("s")
    assert shown is not None
    assert shown.paused
    assert schedules.resume("s")
    assert schedules.resume("s"), "twice is once"
    again = schedules.get("s")
    assert again is not None
    assert not again.paused
    assert schedules.run("s").state == "PENDING"
    assert schedules.remove("s")
    assert not schedules.remove("s")
    assert not schedules.pause("s")
    assert not schedules.resume("s")
    assert schedules.get("s") is None
    for act in (schedules.run, lambda name: schedules.times(name, datetime.now(UTC), datetime.now(UTC))):
        with pytest.raises(InvalidSchedule, match="no schedule 's'"):
            act("s")


def test_times_are_shown_as_they_will_come(app: Celery) -> None:
    app.conf.timezone = "Europe/Berlin"
    app.schedules.add("s", crontab(30, 2), "add", (1, 2))
    berlin = timezone(timedelta(hours=1))
    found = app.schedules.times("s", datetime(2027, 3, 27, tzinfo=berlin), datetime(2027, 3, 30, tzinfo=UTC))
    assert [f"{at:%d %H:%M}" for at in found] == ["27 01:30", "28 01:00", "29 00:30"]


def test_a_change_at_run_time_counts_from_now_and_wakes(app: Celery) -> None:
    app.schedules.add("s", 3_600, "add", (1, 2))
    rung = rows(app).rung()
    app.schedules.add("s", 60, "add", (1, 2))
    assert rows(app).rung() != rung
    shown = app.schedules.get("s")
    assert shown is not None
    assert shown.schedule == schedule(60)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"task": "add"}, "lacks 'schedule'"),
        ({"schedule": 5}, "lacks 'task'"),
        ({"task": "add", "schedule": 0}, "schedule s: an interval is"),
        ({"task": "add", "schedule": "* * * * *"}, "crontab.from_string"),
        ({"task": "add", "schedule": 5, "arg": (1,)}, "'arg'"),
        ({"task": "add", "schedule": 5, "args": 5}, "schedule s"),
        ({"task": "add", "schedule": 5, "args": (1, 2, 3)}, "schedule s"),
        ({"task": "add", "schedule": 5, "args": (1, object())}, "can't be written as JSON"),
        ({"task": "add", "schedule": 5, "args": (1, {2})}, "can't be written as JSON"),
        ({"task": 5, "schedule": 5}, "is a task, its name or a signature"),
        ({"task": "add", "schedule": 5, "args": (1, 2), "options": {"que": "x"}}, "'que' is no option"),
        ({"task": "add", "schedule": 5, "args": (1, 2), "options": {"task_id": "x"}}, "can't have task_id"),
        (
            {"task": "add", "schedule": 5, "args": (1, 2), "options": {"eta": datetime.now(UTC)}},
            "can't have eta",
        ),
        (
            {"task": "add", "schedule": 5, "args": (1, 2), "catch_up": "every"},
            "catch_up of schedule s is skip",
        ),
        ({"task": "add", "schedule": 5, "args": (1, 2), "overlap": "no"}, "overlap of schedule s"),
        ({"task": "add", "schedule": 5, "args": (1, 2), "jitter": "5s"}, "jitter of schedule s"),
        ({"task": "add", "schedule": 5, "args": (1, 2), "until": 5}, "until of schedule s is a datetime"),
        ({"task": "add", "schedule": 5, "args": (1, 2), "zone": "Mars"}, "no time zone 'Mars'"),
    ],
)
def test_an_entry_that_can_t_be_had_is_refused(app: Celery, entry: dict[str, Any], told: str) -> None:
    app.conf.beat_schedule = {"s": entry}
    with pytest.raises(InvalidSchedule) as refused:
        Tick(app, Clock(NOON)).declare("proj", 0)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 300
    assert list(app.schedules) == []


@pytest.mark.parametrize("table", [[1], "x", {"s": 5}, {"s": [("task", "add")]}])
def test_a_table_is_a_table(app: Celery, table: Any) -> None:
    app.conf.beat_schedule = table
    with pytest.raises(InvalidSchedule, match="beat_schedule is a table"):
        app.periodic_entries()


def test_one_name_is_one_schedule(app: Celery) -> None:
    app.add_periodic_task(5, "add", (1, 2), name="s")
    app.add_periodic_task(5, "add", (1, 2), name="s")
    with pytest.raises(InvalidSchedule, match="two schedules are named s"):
        app.add_periodic_task(6, "add", (1, 2), name="s")
    app.conf.beat_schedule = {"s": {"task": "add", "schedule": 5, "args": (1, 2)}}
    with pytest.raises(InvalidSchedule, match="in beat_schedule and in the code"):
        app.periodic_entries()


def test_a_module_that_is_loaded_adds_none_to_the_file(app: Celery) -> None:
    with request.loading("proj.py"), pytest.raises(InvalidSchedule, match=r"use app\.add_periodic_task"):
        app.schedules.add("s", 5, "add", (1, 2))


def test_a_chain_is_no_task(app: Celery) -> None:
    add = app.tasks["add"]
    for several in (add.s(1, 2) | add.s(3), add.map([(1, 2)])):
        with pytest.raises(InvalidSchedule, match="make a task that sends that"):
            app.schedules.add("s", 5, several)


def test_names_have_bounds(app: Celery) -> None:
    for name in ("", "x" * 256, "a\0b"):
        with pytest.raises(ValueError, match="1 to 255 characters"):
            app.schedules.add(name, 5, "add", (1, 2))


def test_a_task_that_is_not_registered_is_told_of_and_fired(
    app: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    app.add_periodic_task(60, "ad", (1, 2), name="s")
    clock = Clock(NOON)
    Tick(app, clock).declare("proj", 0)
    assert "schedule s: no task ad is registered here; near it are: add" in caplog.text
    clock.us += 61_000_000
    Tick(app, clock).fire()
    assert [job.task for job in app.store.jobs()] == ["ad"]


def test_two_versions_side_by_side(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old, new = app_of(tmp_path), app_of(tmp_path)
    old.add_periodic_task(60, "add", (1, 2), name="same")
    old.add_periodic_task(60, "add", (1, 2), name="changed")
    old.add_periodic_task(60, "add", (1, 2), name="dropped")
    new.add_periodic_task(60, "add", (1, 2), name="same")
    new.add_periodic_task(90, "add", (1, 2), name="changed")
    clock = Clock(NOON)
    ticks = Tick(old, clock), Tick(new, clock)
    ticks[0].declare("proj", 0)
    before = {each.name: each.next for each in old.schedules}
    clock.us += 30_000_000
    ticks[1].declare("proj", 0)
    after = {each.name: each.next for each in old.schedules}
    assert set(after) == {"same", "changed"}
    assert after["same"] == before["same"]
    clock.us += 3_600_000_000
    for tick in ticks * 2:
        tick.fire()
    assert [each.fired for each in old.schedules] == [1, 1]
    # A restart of the old one brings its entries back, unless the code has a version.
    ticks[0].declare("proj", 0)
    assert len(list(old.schedules)) == 3
    ticks[1].declare("proj", 2)
    ticks[0].declare("proj", 1)
    assert len(list(old.schedules)) == 2
    assert "has schedule_version 2, and this is 1" in caplog.text


def test_an_edit_at_run_time_stays_until_the_code_changes(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    app.add_periodic_task(60, "add", (1, 2), name="s")
    Tick(app, Clock(NOON)).declare("proj", 0)
    app.schedules.add("s", 5, "add", (1, 2))
    app.schedules.pause("s")
    Tick(app, Clock(NOON)).declare("proj", 0)
    shown = app.schedules.get("s")
    assert shown is not None
    assert (shown.schedule, shown.paused) == (schedule(5), True)
    other = app_of(tmp_path)
    other.add_periodic_task(70, "add", (1, 2), name="s")
    Tick(other, Clock(NOON)).declare("proj", 0)
    shown = app.schedules.get("s")
    assert shown is not None
    assert (shown.schedule, shown.paused) == (schedule(70), True)


def test_another_program_with_the_name_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(tmp_path)
    app.add_periodic_task(60, "add", (1, 2), name="s")
    Tick(app, Clock(NOON)).declare("one", 0)
    Tick(app, Clock(NOON)).declare("two", 0)
    assert "are from here on those of two: s" in caplog.text


def test_a_program_is_known_by_its_name_or_module(app: Celery, tmp_path: Path) -> None:
    assert source_of(app, "/srv/1/proj.py:app") == "proj"
    plain = PyQueue(tmp_path / "jobs.db")
    assert source_of(plain, f"{tmp_path}/releases/1/tasks.py:app") == "tasks:app"
    assert source_of(plain, "proj.celery:app") == "proj.celery:app"


def test_a_clock_that_goes_back_fires_nothing_twice(app: Celery) -> None:
    clock = Clock(NOON)
    app.add_periodic_task(crontab(0), "add", (1, 2), name="s")
    tick = Tick(app, clock)
    tick.declare("proj", 0)
    clock.us += HOUR_US
    tick.fire()
    clock.us -= HOUR_US + HOUR_US // 2
    tick.fire()
    Tick(app, clock).declare("proj", 0)
    app.schedules.pause("s")
    app.schedules.resume("s")
    assert len(app.store.jobs()) == 1


def test_a_job_that_is_refused_keeps_nothing_from_coming(
    app: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"dedup_key": "k", "dedup": "refuse"}
    app.schedules.add("s", 60, "add", (1, 2), options=options)
    app.schedules.add("t", 60, "add", (1, 2))
    clock = Clock(app.store.now_us())
    for _ in range(3):
        clock.us += 61_000_000
        assert Tick(app, clock).fire() is not None
    assert "schedule s made no job" in caplog.text
    assert [(each.fired, each.skipped) for each in app.schedules] == [(1, 2), (3, 0)]


def test_a_call_that_is_too_large_here_keeps_nothing_from_coming(
    app: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    app.schedules.add("large", 60, "add", ("x" * 5_000, 2))
    app.schedules.add("small", 60, "add", (1, 2))
    firing = PyQueue(app.path, max_body=1_000)
    assert Tick(firing, Clock(app.store.now_us() + 61_000_000)).fire() is not None
    assert "schedule large made no job" in caplog.text
    assert [(each.fired, each.skipped) for each in app.schedules] == [(0, 1), (1, 0)]


def test_a_row_that_can_t_be_read_is_told_of_once(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    app.schedules.add("good", 60, "add", (1, 2))
    app.schedules.add("bad", 60, "add", (1, 2))
    app.store.close()
    connection = sqlite3.connect(app.path)
    connection.execute("UPDATE pyqueue_schedule SET definition=x'7b7d' WHERE name='bad'")
    connection.commit()
    connection.close()
    tick = Tick(app, Clock(app.store.now_us() + 61_000_000))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert tick.fire() is not None
    assert caplog.text.count("schedule bad can't be read") == 1
    assert len(app.store.jobs()) == 1


def test_many_at_once_are_each_fired_once(app: Celery) -> None:
    for number in range(3 * MANY):
        app.add_periodic_task(60, "add", (1, 2), name=f"s{number}")
    clock = Clock(NOON)
    one, other = Tick(app, clock), Tick(PyQueue(app.path), clock)
    one.declare("proj", 0)
    clock.us += 60_000_000
    threads = [threading.Thread(target=tick.fire) for tick in (one, other)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.fired for each in app.schedules] == [1] * 3 * MANY
    assert len(app.store.jobs(limit=1_000)) == 3 * MANY


def test_overlap(app: Celery) -> None:
    for overlap in ("allow", "skip", "queue"):
        app.schedules.add(overlap, 60, "add", (1, 2), overlap=overlap)
    clock = Clock(app.store.now_us())
    tick = Tick(app, clock)
    for _ in range(3):
        clock.us += 60_000_000
        tick.fire()
    assert {each.name: (each.fired, each.skipped) for each in app.schedules} == {
        "allow": (3, 0),
        "skip": (1, 2),
        "queue": (1, 0),
    }


def test_nothing_of_it_is_loaded_before_it_is_used(tmp_path: Path) -> None:
    code = (
        "import sys, pyqueue; app = pyqueue.PyQueue('jobs.db'); app.task(name='t')(int).delay(); "
        "assert not {'cronsim', 'zoneinfo', 'pyqueue.schedules', 'pyqueue.scheduling'} & set(sys.modules); "
        "import pyqueue.schedules; assert 'cronsim' not in sys.modules; "
        "pyqueue.schedules.crontab(); assert 'cronsim' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)


def test_a_time_beyond_all_calendars_does_not_come(app: Celery) -> None:
    for length in (1e12, 5e13):
        assert app.schedules.add("far", length, "add", (1, 2)).next is None
    assert [each.next for each in app.schedules] == [None]
    forever = app.schedules.add("far", 60, "add", (1, 2), until=datetime.max)
    assert forever.next is not None
    assert [each.next for each in app.schedules] == [forever.next]
    assert app.schedules.times("far", datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime.max) != []


@pytest.mark.parametrize("zone", [UTC, 5, ["UTC"], b"UTC"])
def test_a_zone_is_a_name(app: Celery, zone: Any) -> None:
    with pytest.raises(InvalidSchedule, match="time zone"):
        crontab(zone=zone)
    with pytest.raises(InvalidSchedule, match="time zone"):
        app.schedules.add("s", 60, "add", (1, 2), zone=zone)


def test_what_stands_holds_nothing_else_up(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(app.store.now_us())
    tick = Tick(app, clock)
    for number in range(3):
        app.schedules.add(f"stands {number}", 1, "add", (1, 2), overlap="queue")
    clock.us += 2_000_000
    tick.fire()
    clock.us += 2_000_000
    assert tick.fire() == ticking.HELD_US
    app.schedules.add("quick", 0.1, "add", (1, 2))
    tick.fire()
    begun = {each.name: (each.fired, each.skipped) for each in app.schedules}
    # More of them stand than are read at once.
    monkeypatch.setattr(ticking, "AT_ONCE", 2)
    for _ in range(20):
        pause = tick.fire()
        assert pause is not None
        assert 0 < pause <= 100_000
        clock.us += pause
    found = {each.name: (each.fired, each.skipped) for each in app.schedules}
    assert found["quick"] == (begun["quick"][0] + 19, begun["quick"][1])
    assert [found[f"stands {number}"][0] for number in range(3)] == [1] * 3


def test_beat_starts_beside_a_row_that_can_t_be_read(tmp_path: Path, app: Celery) -> None:
    app.schedules.add("good", 3600, "add", (1, 2))
    assert rows(app).put("bad", b"garbage", None, None)
    (tmp_path / "proj.py").write_text("from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n")
    beat = [sys.executable, "-m", "pyqueue", "beat", "-A", "proj.py"]
    process = subprocess.Popen(beat, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline().endswith("2 schedules\n")
        process.terminate()
        assert process.wait(20) == 0
    following = [sys.executable, "-m", "pyqueue", "schedule", "next", "--limit", "1"]
    done = subprocess.run(following, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "good" in done.stdout) == (0, True)
    assert "schedule bad can't be read" in done.stderr


def test_beat_is_refused_where_jobs_run_in_place(tmp_path: Path) -> None:
    (tmp_path / "proj.py").write_text("from pyqueue import PyQueue\napp = PyQueue('jobs.db')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pyqueue", "beat", "-A", "proj.py"],
        cwd=tmp_path,
        env={**os.environ, "PYQUEUE_ALWAYS_EAGER": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert "run where they are made" in done.stderr
