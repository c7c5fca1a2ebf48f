"""What a command changes in a running worker. Jobs that run end as they would have, each once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue.exceptions import TimeLimitExceeded

Worker = Callable[..., Any]
Eventually = Callable[..., None]
SOURCE = """
import os, time
from pyqueue import PyQueue
app = PyQueue("jobs.db")

@app.task
def until(path):
    with open(path + ".begun", "a") as file:
        file.write("x")
    while not os.path.exists(path):
        time.sleep(0.01)
    return os.getpid()

@app.task
def nap(seconds):
    time.sleep(seconds)
    return os.getpid()
"""


def told(answers: Any) -> Any:
    [(_, value)] = [item for each in answers for item in each.items()]
    return value


def children(tasks: Any) -> int:
    return sum(each.children or 0 for each in tasks.app.store.workers())


@pytest.fixture
def running(tasks: Any, worker: Worker, eventually: Eventually) -> Callable[..., Any]:
    """Starts a worker all of whose slots are busy; lets the jobs end and sees that each ran once."""

    def start(*arguments: str, slots: int = 2) -> tuple[Any, Callable[[], list[int]]]:
        handle = worker("-A", tasks.__project__.file.name, "-c", str(slots), "-n", "one@host", *arguments)
        places = [str(tasks.__project__.folder / f"job{number}") for number in range(slots)]
        jobs = [tasks.until.delay(place) for place in places]
        folder = tasks.__project__.folder
        eventually(lambda: len(list(folder.glob("*.begun"))) == slots, 20)

        def end() -> list[int]:
            for place in places:
                Path(place).touch()
            pids = [job.get(timeout=30) for job in jobs]
            assert [(folder / f"job{number}.begun").read_text() for number in range(slots)] == ["x"] * slots
            return pids

        return handle, end

    return start


def test_a_pool_grows_beyond_its_page_and_jobs_that_wait_begin(
    tasks: Any, running: Any, eventually: Eventually
) -> None:
    _, end = running()
    waiting = [tasks.nap.delay(0.05) for _ in range(20)]
    control = tasks.app.control
    assert told(control.pool_grow(7, reply=True, timeout=20)) == {"ok": "pool will grow"}
    assert len({job.get(timeout=60) for job in waiting}) > 1, "the new ones run them beside the busy ones"
    eventually(lambda: children(tasks) == 9, 60)
    [status] = tasks.app.store.workers()
    assert (status.slots, status.most) == (9, 9)
    [stats] = control.inspect().stats().values()
    assert stats["pool"]["max-concurrency"] == 9
    assert told(control.pool_grow(1_016, reply=True, timeout=20)) == {
        "error": "a worker has at most 1024 children: start another worker for more"
    }
    end()


def test_a_pool_that_shrinks_ends_its_jobs_first(tasks: Any, running: Any, eventually: Eventually) -> None:
    handle, end = running(slots=3)
    before = set(handle.children())
    control = tasks.app.control
    assert told(control.pool_shrink(2, reply=True, timeout=20)) == {"ok": "pool will shrink"}
    assert told(control.pool_shrink(1, reply=True, timeout=20))["error"].startswith(
        "of 1 children at least one stays"
    )
    assert set(handle.children()) == before, "they run jobs"
    assert len(set(end())) == 3
    eventually(lambda: len(handle.children()) == 1, 20)
    assert set(handle.children()) < before
    assert tasks.nap.delay(0).get(timeout=20) in before


def test_idle_children_go_at_once_and_come_back(tasks: Any, worker: Worker, eventually: Eventually) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "4")
    control = tasks.app.control
    control.pool_shrink(3, reply=True, timeout=20)
    eventually(lambda: len(handle.children()) == 1, 20)
    # Some of these are killed while they start.
    control.pool_grow(5, reply=True, timeout=20)
    control.pool_shrink(4, reply=True, timeout=20)
    eventually(lambda: children(tasks) == 2 and len(handle.children()) == 2, 30)
    assert handle.stop() == 0
    assert "child_lost" not in handle.log.read_text()


def test_new_children_run_new_code_and_old_jobs_end(tasks: Any, running: Any, eventually: Eventually) -> None:
    handle, end = running()
    before = set(handle.children())
    source = tasks.__project__.file
    source.write_text(source.read_text() + "\n@app.task\ndef fresh():\n    return 'fresh'\n")
    assert told(tasks.app.control.pool_restart(reply=True, timeout=20)) == {"ok": "reload started"}
    fresh = tasks.app.send_task(f"{source.stem}.fresh")
    assert fresh.get(timeout=60) == "fresh"
    assert set(end()) <= before
    eventually(lambda: not before & set(handle.children()), 20)


def test_a_grown_pool_reloads_and_shrinks_while_it_does(
    tasks: Any, running: Any, eventually: Eventually
) -> None:
    handle, end = running()
    before = set(handle.children())
    control = tasks.app.control
    control.pool_grow(2, reply=True, timeout=20)
    control.pool_restart(reply=True, timeout=20)
    control.pool_shrink(2, reply=True, timeout=20)
    end()
    eventually(lambda: not before & set(handle.children()) and len(handle.children()) == 2, 60)
    assert tasks.nap.delay(0).get(timeout=20) in handle.children()


def test_bounds_of_a_pool_that_follows_the_load_change(
    tasks: Any, worker: Worker, eventually: Eventually
) -> None:
    worker("-A", tasks.__project__.file.name, "--autoscale", "2,1", "-n", "one@host")
    control = tasks.app.control
    assert told(control.pool_grow(1, reply=True, timeout=20)) == {
        "error": "pool_grow is not supported with autoscale. Adjust autoscale range instead."
    }
    assert told(control.autoscale(9, 3, reply=True, timeout=20)) == {"ok": "autoscale now max=9 min=3"}
    eventually(lambda: children(tasks) == 3, 60)
    [status] = tasks.app.store.workers()
    assert (status.least, status.most) == (3, 9)
    jobs = [tasks.nap.delay(0.3) for _ in range(40)]
    eventually(lambda: children(tasks) > 3, 60)
    assert told(control.autoscale(1, 1, reply=True, timeout=20)) == {"ok": "autoscale now max=1 min=1"}
    for job in jobs:
        job.get(timeout=60)
    eventually(lambda: children(tasks) == 1, 20)
    assert [attempt.number for job in jobs for attempt in job.attempts()] == [1] * len(jobs)


def test_a_queue_is_taken_up_and_left(tasks: Any, worker: Worker) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "1", "-Q", "default", "-n", "one@host")
    control, nap = tasks.app.control, tasks.nap
    mail = nap.apply_async((0,), queue="mail")
    assert told(control.add_consumer("mail", reply=True, timeout=20)) == {"ok": "add consumer mail"}
    assert told(control.add_consumer("mail", reply=True, timeout=20)) == {"ok": "already consuming from mail"}
    mail.get(timeout=20)
    [queues] = control.inspect().active_queues().values()
    assert {each["name"] for each in queues} == {"default", "mail"}
    busy = nap.delay(1)
    after = [nap.apply_async((0,), queue="mail") for _ in range(5)]
    assert told(control.cancel_consumer("mail", reply=True, timeout=20)) == {
        "ok": "no longer consuming from mail"
    }
    assert told(control.cancel_consumer("default", reply=True, timeout=20)) == {
        "ok": "no longer consuming from default"
    }
    idle = nap.delay(0)
    busy.get(timeout=20)
    control.add_consumer("default", reply=True, timeout=20)
    idle.get(timeout=20)
    left = [job for job in after if job.state == "PENDING"]
    assert left, "what was claimed and not begun is given back"
    control.add_consumer("mail", reply=True, timeout=20)
    for job in after:
        job.get(timeout=20)
        assert len(job.attempts()) == 1
    assert handle.stop() == 0


def test_a_worker_of_all_queues_leaves_none(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-c", "1")
    control = tasks.app.control
    assert "pause the queue mail" in told(control.cancel_consumer("mail", reply=True, timeout=20))["error"]
    assert told(control.add_consumer("mail", reply=True, timeout=20)) == {"ok": "already consuming from mail"}


def test_reserved_slots_belong_to_one_worker(tasks: Any, worker: Worker, eventually: Eventually) -> None:
    handle = worker("-A", tasks.__project__.file.name, "-c", "3", "-Q", "mail:1,default", "-n", "one@host")
    control = tasks.app.control
    assert control.ping(timeout=20) == [{"one@host": {"ok": "pong"}}]
    control.pool_grow(2, reply=True, timeout=20)
    eventually(lambda: len(handle.children()) == 5, 60)
    control.cancel_consumer("mail", reply=True, timeout=20)
    mail = tasks.nap.apply_async((0,), queue="mail")
    tasks.nap.delay(0.2).get(timeout=20)
    assert mail.state == "PENDING"
    control.add_consumer("mail", reply=True, timeout=20)
    mail.get(timeout=20)


def test_pools_of_one_child_refuse_in_a_sentence(tasks: Any, worker: Worker) -> None:
    worker("-A", tasks.__project__.file.name, "-P", "threads", "-c", "2")
    for answer in (
        tasks.app.control.pool_grow(1, reply=True, timeout=20),
        tasks.app.control.pool_shrink(1, reply=True, timeout=20),
    ):
        assert told(answer)["error"].startswith("the pool threads has one child of a fixed size")


def test_time_limits_hold_for_jobs_that_begin_from_then_on(tasks: Any, running: Any) -> None:
    _, end = running(slots=1)
    name = f"{tasks.__project__.stem}.nap"
    before = tasks.nap.apply_async((30,), time_limit=60)
    control = tasks.app.control
    assert told(control.time_limit(name, hard=0.3, reply=True, timeout=20)) == {
        "ok": "time limits set successfully"
    }
    assert told(control.time_limit("nobody.knows", hard=1, reply=True, timeout=20)) == {
        "error": "unknown task"
    }
    end()
    with pytest.raises(TimeLimitExceeded, match=r"0\.3 s"):
        before.get(timeout=20)
    control.time_limit(name, reply=True, timeout=20)
    assert tasks.nap.delay(0.6).get(timeout=20)


def test_an_action_is_sent_by_one_of_the_workers(tasks: Any, worker: Worker, eventually: Eventually) -> None:
    for name in ("a", "b", "c"):
        worker("-A", tasks.__project__.file.name, "-c", "1", "-n", name, "-Q", "none")
    control = tasks.app.control
    for round in range(5):
        control.election(f"round {round}", "task", tasks.nap.s(0))
    control.election("round 0", "task", tasks.nap.s(0))

    def answered() -> bool:
        return all(each.stand == "ok" for record in control.history() for each in record.replies)

    eventually(answered, 20)
    assert len(tasks.app.store.jobs(limit=100)) == 5
    said = [each.body for record in control.history() for each in record.replies]
    assert sum(b'"elected"' in body for body in said) == 5
    assert len(said) == 18


def test_who_was_taken_for_dead_obeys_under_its_new_number(
    tasks: Any, worker: Worker, eventually: Eventually
) -> None:
    file = tasks.__project__.file
    file.write_text(file.read_text().replace('"jobs.db"', '"jobs.db", visibility_timeout=1.0'))
    slept = worker("-A", file.name, "-c", "2", "-n", "slept@host")
    control = tasks.app.control
    # More slots than children, so that its new page is as large as the old one.
    control.pool_grow(9, reply=True, timeout=20)
    control.pool_shrink(9, reply=True, timeout=20)
    before = {each.name: each.id for each in tasks.app.store.workers()}
    worker("-A", file.name, "-c", "1", "-n", "awake@host")
    slept.process.send_signal(signal.SIGSTOP)
    eventually(lambda: [each.name for each in tasks.app.store.workers()] == ["awake@host"], 20)
    slept.process.send_signal(signal.SIGCONT)
    eventually(lambda: len(control.ping(timeout=20)) == 2, 20)
    after = {each.name: each.id for each in tasks.app.store.workers()}
    assert after["slept@host"] > before["slept@host"]
    assert told(control.pool_grow(9, ["slept@host"], reply=True, timeout=20)) == {"ok": "pool will grow"}
    eventually(lambda: len(slept.children()) == 11, 60)
    assert all(job.get(timeout=60) for job in [tasks.nap.delay(0.01) for _ in range(50)])


def test_workers_stop_when_they_are_told_to(tasks: Any, running: Any) -> None:
    handle, end = running("--grace", "30")
    assert told(tasks.app.control.shutdown(reply=True, timeout=20)) == {"ok": "shutting down"}
    # Once more kills nothing.
    tasks.app.control.broadcast("shutdown")
    end()
    assert handle.process.wait(30) == 0


def test_a_worker_inside_of_a_process_obeys(tasks: Any) -> None:
    with tasks.app.worker(concurrency=1, name="inside@host"):
        assert tasks.app.control.ping(timeout=20) == [{"inside@host": {"ok": "pong"}}]
    assert tasks.app.control.ping() == []
