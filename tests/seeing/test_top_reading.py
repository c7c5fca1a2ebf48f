"""What ``top`` reads of a real file, and what its keys do to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from known import DONE, Known, failed

from pyqueue._core import Gates
from pyqueue.author import whoami
from pyqueue.top import reading
from pyqueue.top.acting import pressed
from pyqueue.top.reading import Reading
from pyqueue.top.state import Frame, View, key_of, rows_of


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(tmp_path / "app.db")


class Keys:
    """Somebody at the keyboard."""

    def __init__(self, known: Known) -> None:
        self.store, self.reading, self.view = known.app.store, Reading(known.app.store), View()

    def frame(self) -> Frame:
        return self.reading.read(waiting=self.view.waiting)

    def press(self, *keys: str) -> str:
        for key in keys:
            view = pressed(self.store, self.view, rows_of(self.frame(), self.view), key)
            assert view is not None
            self.view = view
        return self.view.says

    def select(self, kind: str, which: str) -> None:
        self.view = self.view._replace(selected=(kind, which))


def test_rates_are_differences_of_counters(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0, 14.0, 16.0, 20.0, 22.0])
    monkeypatch.setattr(reading.time, "monotonic", lambda: next(clock))
    look = Reading(known.app.store)
    for _ in range(4):
        known.app.send_task("t")
    assert (look.read().came, look.read().came) == (None, 0.0)
    for _ in range(6):
        known.app.send_task("t", queue="other")
    known.app.store.finish([(job, DONE) for job in known.app.store.claim(known.worker, 3)])
    frame = look.read()
    assert (frame.came, frame.went) == (6 / 4, 3 / 4)
    rates = {each.name: (each.came, each.went) for each in frame.queues}
    assert rates["other"][0] == 6 / 4
    assert look.read().came == 1.0
    # What is longer ago than the window counts no more.
    assert (look.read().came, look.read().came) == (0.0, 0.0)


def test_jobs_that_were_moved_are_no_negative_rate(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(reading.time, "monotonic", lambda: next(clock))
    for _ in range(4):
        known.app.send_task("t")
    look = Reading(known.app.store)
    look.read()
    assert known.app.jobs("task=t").move("slow").done == 4
    assert {each.name: each.came for each in look.read().queues} == {"default": 0.0, "slow": 2.0}


def test_what_has_not_ended_is_counted_wherever_it_is(known: Known) -> None:
    look = Reading(known.app.store)
    known.app.send_task("t", countdown=60)
    known.app.send_task("paused")
    known.app.send_task("t")
    Gates(known.app.store).pause(task="paused", reason="why not")
    known.app.store.claim(known.worker, 5)
    [queue] = look.read().queues
    assert (queue.waiting, queue.delayed, queue.parked, queue.running) == (0, 1, 1, 1)
    assert [(gate.what, gate.waiting, gate.reason) for gate in look.read().gates] == [
        ("task paused", 1, "why not")
    ]


def test_failures_that_were_there_and_those_that_come(known: Known) -> None:
    old = known.life("t", outcomes=[failed("builtins.OSError", "password=geheim")], ago=50)
    look = Reading(known.app.store)
    [row] = look.read().failures
    assert (row.id, row.error) == (old, "OSError: password=***")
    new = [known.life("t", outcomes=[failed("E", str(n))]) for n in range(30)]
    known.life("t", outcomes=[DONE])
    assert [row.id for row in look.read().failures] == new[::-1][: reading.FAILURES]


def test_more_ends_than_one_frame_looks_at(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LOOKS", 2)
    look = Reading(known.app.store)
    look.read()
    for number in range(12):
        known.app.enqueue_many([known.app.signature("t", (n,)) for n in range(100)])
        jobs = known.app.store.claim(known.worker, 100)
        known.app.store.finish([(job, failed("E", str(number))) for job in jobs])
    last = [job.id for job in known.app.store.jobs(state="failed", limit=1)]
    assert [row.id for row in look.read().failures][:1] == last


def test_p_pauses_and_resumes_a_queue_or_the_task_of_a_job(known: Known) -> None:
    keys = Keys(known)
    known.app.send_task("t")
    assert keys.press("p") == "nothing is selected: use the arrow keys"
    assert keys.press("j", "p") == "queue default is paused"
    assert [queue.paused for queue in keys.frame().queues] == [True]
    assert keys.press("p") == "queue default may start again"
    assert not any(queue.paused for queue in keys.frame().queues)
    keys.press("w")
    [job] = keys.frame().jobs
    keys.select(*key_of(job))
    assert keys.press("p") == "task t is paused"
    assert [(gate.what, gate.reason) for gate in keys.frame().gates] == [
        ("task t", f"by {whoami()}: pyqueue top")
    ]


def test_c_asks_before_it_cancels_that_job_and_no_other(known: Known) -> None:
    keys = Keys(known)
    ids = [known.app.send_task("t", (n,)).id for n in range(3)]
    keys.press("w")
    keys.select("job", ids[1])
    keys.press("c")
    assert keys.view.asks == (f"cancel t {ids[1]}?", ids[1])
    assert keys.press("n") == ""
    assert {known.app.store.view(id).state for id in ids} == {"waiting"}
    keys.press("c")
    # Another row is selected meanwhile.
    keys.select("job", ids[2])
    assert keys.press("y") == f"{ids[1]} is cancelled"
    assert [known.app.store.view(id).state for id in ids] == ["waiting", "cancelled", "waiting"]
    keys.select("job", ids[1])
    assert keys.press("c") == "nothing is selected: use the arrow keys"


def test_t_runs_a_failed_job_once_more(known: Known) -> None:
    id = known.life("t", outcomes=[failed("E", "")])
    keys = Keys(known)
    keys.select("failure", id)
    assert keys.press("c") == "only a job that runs or waits can be cancelled"
    new = keys.press("t").rpartition(" ")[2]
    assert known.app.store.view(new).state == "waiting"
    keys.select("queue", "default")
    assert keys.press("t") == "only a failed job can be retried"


def test_the_selection_moves_and_stays_with_its_row(known: Known) -> None:
    keys = Keys(known)
    keys.press("j")
    assert keys.view.selected is None
    for name in ("b", "d"):
        known.app.send_task("t", queue=name)
    keys.press("j", "j", "j")
    assert keys.view.selected == ("queue", "d")
    known.app.send_task("t", queue="c")
    keys.press("k")
    assert keys.view.selected == ("queue", "c")
    keys.press("s", "?")
    assert (keys.view.sort, keys.view.help) == ("waiting", True)
    assert pressed(keys.store, keys.view, [], "q") is None
