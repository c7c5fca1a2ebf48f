"""``pyqueue events`` and ``stats`` on the command line, with what people may say wrong."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from known import DONE, Known, again, failed

from pyqueue._core import Job


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "app.db")


def cli(known: Known, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyqueue", *words, "--db", known.path],
        cwd=known.path.parent,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_events_go_on_behind_a_cursor(known: Known) -> None:
    id = known.life("mail.send", outcomes=[again("E"), failed("builtins.OSError", "token=abc")])
    done = cli(known, "events")
    assert done.returncode == 0
    assert [line.split()[2] for line in done.stdout.splitlines()] == [
        "task-started",
        "task-retried",
        "task-started",
        "task-failed",
    ]
    assert done.stdout.splitlines()[-1].split()[3:] == [id, "mail.send", "on", "w1", "OSError('token=***')"]
    assert done.stderr.startswith("pyqueue: what comes next: pyqueue events --since ")
    cursor = done.stderr.split()[-1]
    assert cli(known, "events", "--since", cursor).stdout == ""
    known.life("mail.send", outcomes=[DONE])
    told = [
        json.loads(line) for line in cli(known, "events", "--since", cursor, "--json").stdout.splitlines()
    ]
    assert [(each["schema"], each["type"]) for each in told] == [(1, "task-started"), (1, "task-succeeded")]
    only = cli(known, "events", "--since", "start", "--type", "task-succeeded", "task-failed", "--json")
    assert [json.loads(line)["type"] for line in only.stdout.splitlines()] == [
        "task-failed",
        "task-succeeded",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), '"yesterday" is no cursor of this file\'s events'),
        (("--type", "task-lost"), 'there are no events "task-lost"; there are task-sent, task-received'),
    ],
)
def test_what_can_t_be_had_is_said(known: Known, words: tuple[str, ...], said: str) -> None:
    known.life("t", outcomes=[DONE])
    done = cli(known, "events", *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_type_may_be_named_without_a_list(known: Known) -> None:
    known.life("t", outcomes=[DONE])
    assert [each["type"] for each in known.app.events(types="task-succeeded")] == ["task-succeeded"]


def test_who_follows_sees_each_event_at_once_and_stops_by_ctrl_c(known: Known) -> None:
    command = [sys.executable, "-m", "pyqueue", "events", "--follow", "--json", "--db", str(known.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ids = []
    try:
        # "From now on" begins at a moment that only the other process knows.
        while not select.select([process.stdout], [], [], 0.05)[0]:
            assert process.poll() is None
            ids.append(known.app.send_task("t", (1,), {"n": 2}, countdown=60).id)
        event = json.loads(process.stdout.readline())
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.stdout.close()
        code = process.wait(20)
    assert (event["type"], event["args"], event["kwargs"]) == ("task-sent", "(1,)", "{'n': 2}")
    assert event["uuid"] in ids
    assert event["eta"] is not None
    assert code == 130


def test_stats(known: Known) -> None:
    for ran in range(1, 101):
        known.life("report.build", outcomes=[DONE], ran=ran)
    known.life("mail.send", outcomes=[again("E"), failed("E", "")], ran=0.004)
    known.life("mail.send", outcomes=[DONE], ago=7200)
    told = json.loads(cli(known, "stats", "--json").stdout)
    assert (told["attempts"], told["cut"]) == (102, False)
    report, mail = told["tasks"]
    assert report["ran"] == {"count": 100, "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert report["waited"] == {"count": 100, "p50": 2.0, "p95": 2.0, "p99": 2.0, "max": 2.0}
    assert (mail["runs"], mail["outcomes"]["retry"], mail["outcomes"]["failure"]) == (2, 1, 1)
    assert mail["waited"]["count"] == 1
    shown = cli(known, "stats", "--task", "mail.*", "--since", "1d").stdout.splitlines()
    assert len(shown) == 2
    assert shown[1].split()[:4] == ["mail.send", "3", "1", "1"]
    assert "4.0 ms" in shown[1]
    assert cli(known, "stats", "--task", "none").stdout == "no attempt ended in that time\n"


def test_stats_look_at_so_many_and_say_so(known: Known) -> None:
    for _ in range(5):
        known.life("t", outcomes=[DONE])
    done = cli(known, "stats", "--limit", "3")
    assert done.stdout.splitlines()[1].split()[:2] == ["t", "3"]
    assert "only the newest 3 attempts were looked at" in done.stderr
    assert json.loads(cli(known, "stats", "--limit", "5", "--json").stdout)["cut"] is False


def test_jobs_that_waited_for_a_time_say_nothing_about_waiting(known: Known) -> None:
    known.app.send_task("t", countdown=0.001)
    [job] = _claimed(known)
    known.app.store.finish([(job, DONE)])
    assert known.app.stats().tasks[0].waited[0] == 0


def _claimed(known: Known) -> list[Job]:
    while not (jobs := known.app.store.claim(known.worker, 1)):
        pass
    return list(jobs)
