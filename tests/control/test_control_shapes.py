"""Who is meant, what comes back, and what is kept: in Celery's shapes."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue._core import Gates
from pyqueue.addressing import chosen
from pyqueue.control import Control
from pyqueue.exceptions import InvalidCommand, NoAnswer, NoSuchWorker
from pyqueue.orders import BUILT_IN

Worker = Callable[..., Any]
SOURCE = """
import time
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.task
def nap(seconds=0.0):
    time.sleep(seconds)
    return seconds
"""


def ids(app: PyQueue) -> dict[str, int]:
    return {each.name: each.id for each in app.store.workers()}


def test_every_worker_answers_and_the_caller_learns_who(tasks: Any, worker: Worker) -> None:
    app = tasks.app
    for name in ("one@host", "two@host", "mail@host"):
        worker("-A", tasks.__project__.file.name, "-c", "1", "-n", name)
    control = app.control
    pongs = control.ping(timeout=10)
    assert sorted(pongs, key=str) == [
        {name: {"ok": "pong"}} for name in ("mail@host", "one@host", "two@host")
    ]
    assert (pongs.silent, pongs.gone) == ((), ())
    assert control.ping(["two@host"], timeout=10) == [{"two@host": {"ok": "pong"}}]
    by_id = control.ping([str(ids(app)["one@host"])], timeout=10)
    assert by_id == [{"one@host": {"ok": "pong"}}]
    found = control.broadcast("ping", reply=True, timeout=10, pattern="*o*@host", matcher="glob")
    assert {name for each in found for name in each} == {"one@host", "two@host"}
    found = control.broadcast("ping", reply=True, timeout=10, pattern="mail|one", matcher="pcre")
    assert {name for each in found for name in each} == {"mail@host", "one@host"}
    patient = control.broadcast("heartbeat", reply=True, timeout=None)
    assert (len(patient), patient.silent) == (3, ())
    heard: list[Any] = []
    assert len(control.broadcast("ping", reply=True, timeout=10, limit=2, callback=heard.append)) == 2
    assert len(heard) == 2
    assert control.broadcast("heartbeat", reply=True, timeout=10, destination="one@host") == [
        {"one@host": None}
    ]
    assert control.pool_grow(1, ["one@host"]) is None, "a cast waits for nothing"


def test_nobody_is_told_at_once_and_nothing_is_stored(tasks: Any, worker: Worker) -> None:
    app = tasks.app
    with pytest.raises(NoSuchWorker, match="no worker runs on"):
        app.control.pool_grow(1, destination=["one@host"])
    assert app.control.ping() == [], "all of nobody is nobody"
    worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one@host")
    for wrong in (
        {"destination": ["one@host", "two@host"]},
        {"destination": []},
        {"pattern": "two*"},
    ):
        with pytest.raises(NoSuchWorker, match="there is one@host"):
            app.control.broadcast("pool_grow", reply=True, **wrong)
    with pytest.raises(InvalidCommand, match="either destination or pattern"):
        app.control.broadcast("ping", destination=["one@host"], pattern="*")
    for expires in (0, -1):
        with pytest.raises(InvalidCommand, match="more than 0 seconds"):
            app.control.broadcast("ping", expires=expires)
    with pytest.raises(InvalidCommand, match="no regular expression"):
        app.control.broadcast("ping", pattern="(", matcher="pcre")
    assert app.control.history(asking=True) == []


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("pool_grw", {}, "is it pool_grow"),
        ("pool_grow", {"n": "many"}, "n of pool_grow is int, not 'many'"),
        ("pool_grow", {"n": True}, "n of pool_grow is int"),
        ("pool_grow", {"n": 0}, "between 1 and 1024"),
        ("pool_grow", {"m": 1}, "pool_grow takes no 'm'; it is written: pool_grow"),
        ("autoscale", {}, "needs max, min or both"),
        ("autoscale", {"max": 1, "min": 2}, "min of autoscale is not above max"),
        ("time_limit", {"soft": 1.0}, "time_limit needs task_name"),
        ("time_limit", {"task_name": "t", "soft": 2, "hard": 1}, "must be below the hard one"),
        ("time_limit", {"task_name": "t", "hard": 0}, "more than 0"),
        ("time_limit", {"task_name": "t", "hard": 1e300}, "less than 1e.10"),
        ("time_limit", {"task_name": "t", "hard": float("nan")}, "hard of time_limit is float"),
        ("add_consumer", {"queue": ""}, "between 1 and 255"),
        ("cancel_consumer", {}, "needs queue"),
        ("terminate", {}, "needs task_id"),
        ("terminate", {"task_id": ["x"], "signal": "SIGNONE"}, "no signal"),
        ("ping", {"x": 1}, "takes no"),
    ],
)
def test_what_no_worker_can_do_is_refused_before_it_is_stored(
    app: PyQueue, name: str, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidCommand, match=why):
        app.control.broadcast(name, arguments)
    assert app.control.history(asking=True) == []


def test_control_the_right_ones_pass() -> None:
    there = [(1, "a@x"), (2, "b@x"), (3, "a@x")]
    assert chosen(there, None, None, None, "f") == ([1, 2, 3], "all")
    assert chosen(there, ["a@x"], None, None, "f") == ([1, 3], "a@x")
    assert chosen(there, None, "b@*", None, "f") == ([2], "glob b@*")
    assert BUILT_IN["pool_grow"].checked({"n": "4"}) == {"n": 4}
    assert BUILT_IN["time_limit"].of_words(["t", "hard=3"]) == {"task_name": "t", "hard": "3"}
    assert BUILT_IN["revoke"].of_words(["a", "terminate=true", "b"]) == {
        "terminate": "true",
        "task_id": ["a", "b"],
    }


def test_who_does_not_answer_is_named(tasks: Any, worker: Worker) -> None:
    import signal

    fine = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "fine@host")
    stopped = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "stopped@host")
    stopped.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.warns(
            NoAnswer, match="stopped@host did not answer pool_grow within 0.5 s, and may obey it until"
        ):
            answers = tasks.app.control.pool_grow(1, reply=True, timeout=0.5, expires=1)
        assert answers == [{"fine@host": {"ok": "pool will grow"}}]
        assert (answers.silent, answers.gone) == (("stopped@host",), ())
        [record] = tasks.app.control.history()
        assert {each.worker: each.stand for each in record.replies}["fine@host"] == "ok"
        enough = tasks.app.control.ping(limit=1, timeout=20)
        assert (enough, enough.silent) == ([{"fine@host": {"ok": "pong"}}], ()), "the others need not answer"
        # Until it has expired; then it says so, and whoever wakes up does not obey.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoAnswer)
            tasks.app.control.ping(["stopped@host"], timeout=1.2)
    finally:
        stopped.process.send_signal(signal.SIGCONT)
    assert tasks.app.control.ping(timeout=10).silent == ()
    [record] = tasks.app.control.history()
    assert {each.worker: each.stand for each in record.replies} == {
        "fine@host": "ok",
        "stopped@host": "expired",
    }
    assert "pool_grow" not in stopped.log.read_text()
    assert "pool_grow" in fine.log.read_text(), "control: who obeys says so"


def test_who_dies_before_it_answers_is_named_at_once(tasks: Any, worker: Worker) -> None:
    import signal
    import threading
    import time

    dying = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "dying@host")
    dying.process.send_signal(signal.SIGSTOP)
    threading.Timer(0.3, dying.process.kill).start()
    begun = time.monotonic()
    with pytest.warns(NoAnswer, match="dying@host ended before it could answer pool_grow"):
        answers = tasks.app.control.pool_grow(1, reply=True, timeout=60)
    assert answers == []
    assert answers.gone == ("dying@host",)
    assert time.monotonic() - begun < 30, "the time-out was not waited for"
    # The next one obeys nothing of what was for its forerunner of the same name.
    again = worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "dying@host")
    assert tasks.app.control.ping(timeout=10) == [{"dying@host": {"ok": "pong"}}]
    assert "pool_grow" not in again.log.read_text()


def test_commands_about_jobs_need_no_worker(tasks: Any) -> None:
    app = tasks.app
    plain, other, marked, held = (
        tasks.nap.apply_async(headers={"batch": value}) for value in ("a", "b", ["c", "d"], "e")
    )
    said = app.control.revoke([plain.id, "unknown", plain.id], reply=True)
    assert [value for each in said for value in each.values()] == [
        {"ok": f"tasks {plain.id} flagged as revoked"}
    ]
    assert app.control.terminate(other.id, signal="KILL") is None
    assert app.control.revoke_by_stamped_headers({"batch": ["d", "z"]}, reply=True)[0].popitem()[1][
        "jobs"
    ] == [marked.id]
    assert [each.state for each in (plain, other, marked, held)] == ["REVOKED"] * 3 + ["PENDING"]
    tasks.nap.delay()
    assert app.control.purge() == 2
    assert [each.name for each in app.control.history()] == [
        "purge",
        "revoke_by_stamped_headers",
        "revoke",
        "revoke",
    ]
    record = app.control.history()[-1]
    assert (record.target, [each.stand for each in record.replies]) == ("the file", ["ok"])
    assert record.author.partition("@")[2].partition(":")[2].isdecimal()


def test_all_jobs_of_a_task_are_cancelled(
    tasks: Any, worker: Worker, eventually: Callable[..., None]
) -> None:
    stem = tasks.__project__.stem
    worker("-A", tasks.__project__.file.name, "-c", "1")
    running = tasks.nap.delay(60)
    eventually(lambda: running.state == "STARTED", 20)
    waiting = [tasks.nap.delay() for _ in range(5)]
    other = tasks.app.send_task("other.task", countdown=60)
    [said] = tasks.app.control.revoke(task=f"{stem}.*", reply=True)
    found = re.fullmatch(rf"(\d) jobs of {stem}\.\* flagged as revoked, (\d) run on", said.popitem()[1]["ok"])
    # A worker may have claimed some that wait.
    assert found is not None
    assert int(found[1]) + int(found[2]) == 6
    assert int(found[2]) >= 1
    assert running.state == "STARTED"
    tasks.app.control.revoke(task=f"{stem}.nap", terminate=True, signal="KILL")
    eventually(lambda: running.state == "REVOKED", 20)
    eventually(lambda: {each.state for each in waiting} == {"REVOKED"}, 20)
    assert other.state == "PENDING"
    for wrong in ({}, {"task_id": ["x"], "task": "y"}):
        with pytest.raises(InvalidCommand):
            tasks.app.control.broadcast("revoke", wrong)


def test_a_rate_and_events_are_the_files(tasks: Any) -> None:
    control, name = tasks.app.control, f"{tasks.__project__.stem}.nap"

    def said(answers: Any) -> Any:
        return answers[0].popitem()[1]

    assert said(control.rate_limit(name, "10/m", reply=True)) == {"ok": "new rate limit set successfully"}
    [gate] = Gates(tasks.app.store).list()
    assert (gate.task, gate.rate_us, gate.shut) == (name, 6_000_000, False)
    control.rate_limit(name, 4)
    assert [gate.rate_us for gate in Gates(tasks.app.store).list()] == [250_000]
    with pytest.raises(InvalidCommand, match="a rate is a text"):
        control.rate_limit(name, "often")
    assert said(control.rate_limit(name, 0, reply=True)) == {"ok": "rate limit disabled successfully"}
    assert [gate.rate_us for gate in Gates(tasks.app.store).list() if gate.rate_us] == []

    def sent() -> list[str]:
        tasks.nap.delay()
        return [each["type"] for each in tasks.app.events("start") if each["type"] == "task-sent"]

    assert sent() == []
    assert said(control.enable_events(reply=True)) == {"ok": "task events enabled"}
    assert sent() == ["task-sent"]
    assert said(control.disable_events(reply=True)) == {"ok": "task events disabled"}
    assert sent() == ["task-sent"], "control: nothing is written any more"


def test_the_signatures_are_celerys() -> None:
    celery = pytest.importorskip("celery.app.control")
    missing = []
    for name, theirs in inspect.getmembers(celery.Control, inspect.isfunction):
        if name.startswith("_") or name == "inspect":
            continue
        ours = getattr(Control, name, None)
        wanted = [
            each.name
            for each in inspect.signature(theirs).parameters.values()
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ]
        given = list(inspect.signature(ours).parameters) if ours is not None else []
        if given[: len(wanted)] != wanted:
            missing.append((name, wanted, given))
    assert missing == []


def test_asking_for_control_loads_nothing_before() -> None:
    code = (
        "import sys; from pyqueue import PyQueue; app = PyQueue('x.db')\n"
        "assert not {'pyqueue.control', 'pyqueue.orders'} & set(sys.modules)\n"
        "app.control; assert 'pyqueue.control' in sys.modules and 'pyqueue.worker' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_worker_that_shall_not_obey_is_not_told(tasks: Any, worker: Worker, tmp_path: Path) -> None:
    file = tmp_path / "deaf.py"
    file.write_text(
        "from pyqueue import PyQueue\napp = PyQueue('jobs.db')\napp.conf.worker_enable_remote_control = False\n"
    )
    worker("-A", "deaf.py", "-c", "1", "-n", "deaf@host")
    assert tasks.app.control.ping() == []


@pytest.mark.parametrize(
    ("said", "each_us"), [(0.5, 2_000_000), (2.0, 500_000), ("0.25", 4_000_000), (3, 333_333)]
)
def test_a_rate_is_a_number_of_a_second(app: PyQueue, said: float | str, each_us: int) -> None:
    app.control.rate_limit("t", said)
    assert [gate.rate_us for gate in Gates(app.store).list()] == [each_us]


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), 1e-9, True, "0.5/m"])
def test_what_is_no_rate_is_refused(app: PyQueue, wrong: Any) -> None:
    with pytest.raises(InvalidCommand, match="a rate is"):
        app.control.rate_limit("t", wrong)
    assert Gates(app.store).list() == []


def test_what_can_t_be_waited_for_is_not_given(tasks: Any, worker: Worker) -> None:
    control = tasks.app.control
    worker("-A", tasks.__project__.file.name, "-c", "1", "-n", "one@host")
    for timeout, error in (("1", TypeError), (float("nan"), ValueError)):
        with pytest.raises(error, match="timeout"):
            control.shutdown(reply=True, timeout=timeout)
    assert control.history() == []
    assert control.ping(timeout=float("inf")) == [{"one@host": {"ok": "pong"}}]


def test_a_command_that_can_t_be_recorded_is_not_carried_out(app: PyQueue) -> None:
    with pytest.raises(InvalidCommand, match="at most 255"):
        app.control.rate_limit("t", 1, author="a" * 256)
    assert Gates(app.store).list() == []
