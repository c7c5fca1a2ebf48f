"""What ``inspect`` says of workers that are up, busy, stopped and dead is true each time, without asking any."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue.exceptions import InvalidCommand
from pyqueue.inspecting import IN_FILE, Inspect

SOURCE = """
import os
import time

from pyqueue import PyQueue

app = PyQueue("jobs.db")


@app.task(rate_limit="10/m")
def add(x, y):
    return x + y


@app.task
def hold(gate):
    with open(gate + ".at", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not os.path.exists(gate):
        time.sleep(0.005)
    return os.getpid()


@app.task
async def held(gate):
    import asyncio
    with open(gate + ".at", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not os.path.exists(gate):
        await asyncio.sleep(0.005)
"""

Worker = Callable[..., Any]
Eventually = Callable[..., None]


@pytest.fixture
def look(tasks: Any) -> Inspect:
    return Inspect(app=tasks.app)


@pytest.fixture
def start(tasks: Any, worker: Worker) -> Worker:
    return lambda *arguments: worker("-A", tasks.__project__.file.name, *arguments)


def at(gate: Path) -> list[int]:
    """The processes that have come to the gate."""
    file = Path(f"{gate}.at")
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def running_by_rows(tasks: Any) -> set[str]:
    return {job.id for job in tasks.app.store.jobs(state="running")}


def ids(answers: Any) -> dict[str, set[str]]:
    return {name: {job["id"] for job in jobs} for name, jobs in answers.items()}


def test_nobody_is_there(tasks: Any, look: Inspect) -> None:
    late = tasks.add.apply_async((1, 2), countdown=3600)
    asked = tasks.add.delay(1, 2)
    for name in (
        "ping",
        "active",
        "reserved",
        "lost",
        "registered",
        "stats",
        "conf",
        "active_queues",
        "report",
    ):
        assert getattr(look, name)() is None
    assert [each["request"]["id"] for each in look.scheduled()[IN_FILE]] == [late.id]
    assert look.revoked() == {IN_FILE: []}
    found = look.query_task(late.id, asked.id, "nothing")
    assert {id: state for id, (state, _) in found[IN_FILE].items()} == {
        late.id: "scheduled",
        asked.id: "ready",
    }
    late.revoke()
    assert look.revoked() == {IN_FILE: [late.id]}
    assert look.scheduled() == {IN_FILE: []}
    assert look.query_task(late.id) == {IN_FILE: {}}


def test_idle_then_busy_then_idle(
    tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    one = start("-c", "1", "-n", "one")
    assert look.ping() == {"one": {"ok": "pong", "state": "idle", "busy": 0, "slots": 1}}
    assert (look.active(), look.reserved()) == ({"one": []}, {"one": []})
    gate = tmp_path / "gate"
    before = time.time()
    running = tasks.hold.delay(str(gate))
    eventually(lambda: at(gate))
    assert look.ping()["one"] == {"ok": "pong", "state": "busy", "busy": 1, "slots": 1}
    (job,) = look.active()["one"]
    assert before <= job.pop("time_start") <= time.time()
    assert job == {
        "id": running.id,
        "name": tasks.hold.name,
        "args": [str(gate)],
        "kwargs": {},
        "type": tasks.hold.name,
        "hostname": "one",
        "acknowledged": False,
        "delivery_info": {"exchange": "", "routing_key": "default", "priority": 0, "redelivered": False},
        "worker_pid": at(gate)[0],
    }
    assert look.query_task(running.id)["one"][running.id][0] == "active"
    assert look.stats()["one"]["pid"] == one.pid
    assert look.stats()["one"]["pool"]["processes"] == one.children()
    gate.touch()
    running.get(timeout=10)
    eventually(lambda: look.ping()["one"]["state"] == "idle")
    assert (look.active(), look.reserved()) == ({"one": []}, {"one": []})
    assert look.stats()["one"]["total"] == {tasks.hold.name: 1}
    assert one.stop() == 0
    assert (look.ping(), look.active()) == (None, None)


def test_what_is_claimed_and_not_started_is_reserved(
    tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    start("-c", "1", "-n", "one", "--prefetch", "3")
    gate = tmp_path / "gate"
    jobs = [tasks.hold.delay(str(gate)).id for _ in range(4)]
    eventually(lambda: at(gate) and len(look.reserved()["one"]) == 2)
    assert ids(look.active()) == {"one": {jobs[0]}}
    assert ids(look.reserved()) == {"one": set(jobs[1:3])}
    assert all(job["time_start"] is None and job["worker_pid"] is None for job in look.reserved()["one"])
    found = look.query_task(*jobs)
    assert {id: state for id, (state, _) in found["one"].items()} == dict(
        zip(jobs[:3], ["active", "reserved", "reserved"], strict=True)
    )
    assert {id: state for id, (state, _) in found[IN_FILE].items()} == {jobs[3]: "ready"}
    gate.touch()


def test_stopped_it_is_wedged_at_once_and_its_job_still_runs(
    tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    one = start("-c", "1", "-n", "one")
    gate = tmp_path / "gate"
    running = tasks.hold.delay(str(gate))
    eventually(lambda: at(gate))
    os.kill(one.pid, signal.SIGSTOP)
    eventually(lambda: state_of(one.pid) == "T")
    said = look.ping()["one"]
    assert (said["state"], said["jobs"]) == ("wedged", 1)
    assert said["error"].startswith("wedged: its process is stopped")
    # The child is a process of its own and was not stopped.
    assert ids(look.active()) == {"one": {running.id}}
    assert "stopped" not in look.active()["one"][0]
    (child,) = at(gate)
    os.kill(child, signal.SIGSTOP)
    eventually(lambda: state_of(child) == "T")
    assert look.active()["one"][0]["stopped"] is True
    os.kill(child, signal.SIGCONT)
    gate.touch()
    eventually(lambda: look.active() == {"one": []})
    # It has ended, and the worker that is to write that is stopped.
    assert look.query_task(running.id)["one"][running.id][0] == "ending"
    os.kill(one.pid, signal.SIGCONT)
    running.get(timeout=10)
    eventually(lambda: look.ping()["one"]["state"] == "idle")


def test_a_job_whose_child_has_died_does_not_run_although_nobody_has_noticed(
    tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    one = start("-c", "1", "-n", "one")
    gate = tmp_path / "gate"
    running = tasks.hold.delay(str(gate))
    eventually(lambda: at(gate))
    os.kill(one.pid, signal.SIGSTOP)
    eventually(lambda: state_of(one.pid) == "T")
    os.kill(at(gate)[0], signal.SIGKILL)
    eventually(lambda: state_of(at(gate)[0]) == "Z")
    assert look.active() == {"one": []}
    assert ids(look.lost()) == {"one": {running.id}}
    assert running_by_rows(tasks) == {running.id}, "control: the rows alone still say that it runs"
    os.kill(one.pid, signal.SIGCONT)
    eventually(lambda: len(at(gate)) == 2)
    assert ids(look.active()) == {"one": {running.id}}
    assert look.active()["one"][0]["delivery_info"]["redelivered"]
    gate.touch()


@pytest.mark.parametrize("reaped", [False, True])
def test_killed_it_is_dead_at_once_and_its_jobs_do_not_run(
    reaped: bool, tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    one = start("-c", "1", "-n", "one", "--prefetch", "2")
    gate = tmp_path / "gate"
    jobs = [tasks.hold.delay(str(gate)).id for _ in range(2)]
    eventually(lambda: at(gate) and look.reserved()["one"])
    os.kill(one.pid, signal.SIGKILL)
    eventually(lambda: state_of(one.pid) == "Z")
    if reaped:
        one.process.wait()
    assert look.ping() == {"one": {"error": "dead: its process has ended", "state": "dead", "jobs": 2}}
    assert (look.active(), look.reserved(), look.stats(), look.registered()) == (None, None, None, None)
    assert ids(look.lost()) == {"one": set(jobs)}
    assert running_by_rows(tasks) == set(jobs), "control: the rows alone still say that they run"
    assert look.query_task(jobs[0])["one"][jobs[0]][0] == "lost"
    # Another takes them back: the dead one is gone, and what it had runs again.
    start("-c", "2", "-n", "two")
    eventually(lambda: ids(look.active()) == {"two": set(jobs)})
    assert look.ping() == {"two": {"ok": "pong", "state": "busy", "busy": 2, "slots": 2}}
    assert look.lost() == {"two": []}
    gate.touch()


@pytest.mark.parametrize(("pool", "task"), [("threads", "hold"), ("asyncio", "held"), ("solo", "hold")])
def test_pools_of_one_child(
    pool: str, task: str, tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    many = 1 if pool == "solo" else 3
    one = start("-c", str(many), "-n", "one", "-P", pool)
    gate = tmp_path / "gate"
    jobs = [getattr(tasks, task).delay(str(gate)).id for _ in range(many)]
    eventually(lambda: len(at(gate)) == many)
    assert ids(look.active()) == {"one": set(jobs)}
    assert {job["worker_pid"] for job in look.active()["one"]} == set(one.children())
    assert look.stats()["one"]["pool"]["implementation"] == pool
    gate.touch()
    eventually(lambda: look.ping()["one"]["state"] == "idle")
    assert look.active() == {"one": []}


def test_slots_of_a_queue_are_one_worker(
    tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    start("-c", "3", "-n", "one", "-Q", "mail:1,default")
    assert look.ping() == {"one": {"ok": "pong", "state": "idle", "busy": 0, "slots": 3}}
    gate = tmp_path / "gate"
    mail = tasks.hold.apply_async((str(gate),), queue="mail").id
    usual = tasks.hold.delay(str(gate)).id
    eventually(lambda: len(at(gate)) == 2)
    assert ids(look.active()) == {"one": {mail, usual}}
    assert look.ping()["one"]["busy"] == 2
    assert [(each["name"], each["reserved_slots"]) for each in look.active_queues()["one"]] == [
        ("mail", 1),
        ("default", 0),
    ]
    assert len(look.stats()["one"]["pool"]["processes"]) == 3
    gate.touch()


def test_after_a_reload_it_knows_the_tasks_of_the_new_code(
    tasks: Any, look: Inspect, start: Worker, eventually: Eventually
) -> None:
    one = start("-c", "2", "-n", "one", "-Q", "mail:1,default")
    before = look.registered()["one"]
    file = tasks.__project__.file
    file.write_text(file.read_text().replace("async def held", "async def brand_new"))
    one.process.send_signal(signal.SIGHUP)
    eventually(lambda: any(name.endswith(".brand_new") for name in look.registered()["one"]), timeout=20)
    eventually(lambda: all(not name.endswith(".held") for name in look.registered()["one"]))
    assert look.registered()["one"] != before
    assert look.registered()["one"][0].endswith(".add [rate_limit=10/m]"), "what is known of the others stays"


def test_without_its_lock_nobody_says_that_it_lives_or_is_dead(
    tasks: Any, look: Inspect, start: Worker, tmp_path: Path, eventually: Eventually
) -> None:
    start("-c", "1", "-n", "one")
    gate = tmp_path / "gate"
    running = tasks.hold.delay(str(gate))
    eventually(lambda: at(gate))
    (lock,) = Path(f"{tasks.app.path}-pyqueue").glob("worker-*.lock")
    lock.unlink()
    said = look.ping()["one"]
    assert (said["state"], "ok" in said) == ("unknown", False)
    # The page is there, and with it the child's word.
    assert ids(look.active()) == {"one": {running.id}}
    gate.touch()


def test_two_of_one_name_are_two(look: Inspect, start: Worker) -> None:
    start("-c", "1", "-n", "same")
    start("-c", "1", "-n", "same")
    assert len(look.ping()) == 2
    assert "same" in look.ping()


def test_destination_and_pattern(look: Inspect, start: Worker) -> None:
    start("-c", "1", "-n", "mail@here")
    start("-c", "1", "-n", "web@here")
    app = look.app
    assert Inspect("mail@here", app=app).active() == []
    assert Inspect(["mail@here", "none"], app=app).active() == {"mail@here": []}
    assert Inspect("none", app=app).ping() is None
    assert set(Inspect(app=app, pattern="mail@*").ping()) == {"mail@here"}
    assert set(Inspect(app=app, pattern=r"(web|none)@", matcher="pcre").ping()) == {"web@here"}
    assert set(Inspect(app=app, limit=1).ping()) == {"mail@here"}
    assert Inspect([IN_FILE], app=app).scheduled() == {IN_FILE: []}
    assert Inspect(["mail@here"], app=app).scheduled() == {"mail@here": []}
    for wrong in ({"pattern": "(", "matcher": "pcre"}, {"matcher": "sql"}):
        with pytest.raises(InvalidCommand):
            Inspect(app=app, **wrong)
    heard: list[dict[str, Any]] = []
    Inspect(app=app, callback=heard.append).active()
    assert heard == [{"mail@here": []}, {"web@here": []}]
    assert look.registered("max_retries", "rate_limit")["web@here"][0].endswith(
        ".add [max_retries=3 rate_limit=10/m]"
    )


def test_who_serves_no_queue_any_more_says_so(tasks: Any, look: Inspect, start: Worker) -> None:
    start("-c", "1", "-n", "one", "-Q", "mail")
    tasks.add.delay(1, 2)
    assert [each["name"] for each in look.active_queues()["one"]] == ["mail"]
    [answer] = tasks.app.control.cancel_consumer("mail", reply=True, timeout=20)
    assert answer == {"one": {"ok": "no longer consuming from mail"}}
    assert look.active_queues() == {"one": []}
