"""A worker whose loop stands still, with nothing to be seen of it in /proc, is said to be wedged."""

from __future__ import annotations

import time
from pathlib import Path

from processes import children, state_of, until, worker, write_app
from test_standstill import APP, held, stalls_after

from pyqueue import PyQueue
from pyqueue.inspecting import Inspect


def test_a_loop_that_stands_still_is_told_with_what_it_did(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    app = PyQueue(tmp_path / "jobs.db", durability="normal")
    look = Inspect(app=app)
    with worker(tmp_path, "-c", "1", "-n", "one", env=stalls_after(0)) as process:
        running = app.send_task("in_the_middle")
        until((tmp_path / "mark").exists)
        assert look.ping()["one"]["state"] == "busy"
        with held(tmp_path, process):
            assert look.ping()["one"]["state"] == "busy", "control: the kernel's word alone does not show it"
            said = until(lambda: look.ping()["one"].get("error"), timeout=20)
            assert said.startswith("wedged: its loop has stood still for 5 s; that was while it waited")
            assert state_of(process.pid) == "S"
            # Its child is not.
            (job,) = look.active()["one"]
            assert (job["id"], [job["worker_pid"]]) == (running.id, children(process.pid))
        until(lambda: look.ping()["one"].get("state") == "busy", timeout=20)


def test_a_worker_without_work_is_never_said_to_stand_still(tmp_path: Path) -> None:
    write_app(tmp_path, APP)
    look = Inspect(app=PyQueue(tmp_path / "jobs.db", durability="normal"))
    with worker(tmp_path, "-c", "1", "-n", "one"):
        end, states = time.monotonic() + 6.5, set()
        while time.monotonic() < end:
            states.add(look.ping()["one"]["state"])
            time.sleep(0.05)
        assert states == {"idle"}
