"""Waiting for several jobs, for a coroutine, and seeing how far one is; with a worker."""

from __future__ import annotations

import asyncio
import builtins
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyqueue import PyQueue
from pyqueue.exceptions import LeaseLost, TimeoutError, UnknownJob
from pyqueue.group_result import GroupResult

SOURCE = """
import os, time
from pyqueue import PyQueue

app = PyQueue("jobs.db")

def wait_for(path):
    while not os.path.exists(path): time.sleep(0.002)

@app.task
def gated(path, n):
    wait_for(path)
    return n

@app.task
def fail(): raise ValueError("no")

@app.task(bind=True)
def steps(self, path):
    self.update_state(state="HALF", meta={"done": 1, "of": 2})
    wait_for(path)
    return "all"

@app.task(bind=True)
def wrong_state(self): self.update_state(state="SUCCESS")

@app.task
async def sleepy(n):
    import asyncio
    await asyncio.sleep(0.01)
    return n
"""

Eventually = Callable[..., None]


@pytest.fixture
def tasks(project: Callable[[str], Any], worker: Callable[..., Any]) -> Any:
    """The module, with a worker of two children on its file."""
    made = project(SOURCE)
    module = made.load()
    worker("-A", str(made.file), "-c", "2")
    return module


def test_a_state_of_ones_own_shows_while_the_job_runs(
    tasks: Any, tmp_path: Path, eventually: Eventually
) -> None:
    result = tasks.steps.delay(str(tmp_path / "go"))
    eventually(lambda: result.state == "HALF")
    assert result.info == {"done": 1, "of": 2}
    assert not result.ready()
    (tmp_path / "go").touch()
    assert result.get(timeout=10) == "all"
    assert (result.state, result.info) == ("SUCCESS", "all")
    with pytest.raises(ValueError, match="no state of a running job"):
        tasks.wrong_state.delay().get(timeout=10)


def test_results_come_as_they_end(tasks: Any, tmp_path: Path) -> None:
    gates = [tmp_path / str(n) for n in range(2)]
    group = tasks.app.send_group([tasks.gated.s(str(gate), n) for n, gate in enumerate(gates)])
    gates[1].touch()
    several = group.as_completed(timeout=10)
    assert next(several).get(timeout=0) == 1
    gates[0].touch()
    assert [each.get(timeout=0) for each in several] == [0]
    native = dict(group.iter_native(timeout=10))
    assert [native[each.id]["result"] for each in group.results] == [0, 1]
    with pytest.raises(TimeoutError, match="1 of 1 jobs have not ended"):
        list(GroupResult([tasks.gated.delay(str(tmp_path / "never"), 1)]).as_completed(timeout=0.05))


def test_awaiting_one_and_all_and_as_they_end(tasks: Any, tmp_path: Path) -> None:
    async def main() -> None:
        assert await tasks.sleepy.delay(3) == 3
        with pytest.raises(ValueError, match="no"):
            await tasks.fail.delay()
        with pytest.raises(UnknownJob):
            await tasks.app.AsyncResult("nonsense")
        gate = tmp_path / "gate"
        slow = tasks.gated.delay(str(gate), "slow")
        group = GroupResult([slow, *(tasks.sleepy.delay(n) for n in range(100))])
        seen = []
        async for each in group:
            seen.append(await each)
            if len(seen) == 100:
                gate.touch()
        assert seen[-1] == "slow"
        assert sorted(seen[:-1]) == list(range(100))
        assert await GroupResult([tasks.sleepy.delay(n) for n in range(3)]) == [0, 1, 2]
        await asyncio.gather(*(tasks.sleepy.delay(n) for n in range(10)))
        waiting = [thread for thread in threading.enumerate() if thread.name == "pyqueue-await"]
        assert len(waiting) <= 1
        with pytest.raises(builtins.TimeoutError):
            async with asyncio.timeout(0.05):
                await tasks.gated.delay(str(tmp_path / "never"), 1)
        (tmp_path / "never").touch()

    asyncio.run(main())


def test_a_program_that_awaits_for_nothing_ends(tmp_path: Path) -> None:
    program = (
        "import asyncio\n"
        "from pyqueue import PyQueue\n"
        "app = PyQueue('jobs.db')\n"
        "loop = asyncio.new_event_loop()\n"
        "async def wait(): await app.send_task('x')\n"
        "task = loop.create_task(wait())\n"
        "loop.run_until_complete(asyncio.sleep(0.05))\n"
        "print('left', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.stdout, done.returncode) == ("left\n", 0)


def test_a_child_of_fork_awaits_with_a_thread_of_its_own(tasks: Any) -> None:
    async def one() -> int:
        return int(await tasks.sleepy.delay(1))

    assert asyncio.run(one()) == 1
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if asyncio.run(one()) == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0


def test_jobs_of_two_files_come_as_they_end(tmp_path: Path) -> None:
    from pyqueue._core import Outcome

    ended = []
    for name in ("one", "two"):
        app = PyQueue(tmp_path / f"{name}.db")
        ended += [app.task(name="t")(lambda: 1).delay()]
    several = GroupResult(ended).as_completed(timeout=10)
    for result in reversed(ended):
        store = result._store
        [job] = store.claim(store.join("test", 1, 30_000_000), 1)
        store.finish([(job, Outcome.success())])
        assert next(several) == result
    assert list(several) == []


def test_one_job_that_many_await_is_told_to_all(app: PyQueue, once: Callable[..., Any]) -> None:
    result = app.task(name="one")(lambda: 1).delay()

    async def main() -> list[Any]:
        several = [asyncio.ensure_future(_value(app.AsyncResult(result.id))) for _ in range(3)]
        several.append(asyncio.ensure_future(_value(result)))
        await asyncio.sleep(0)
        several[0].cancel()
        once(result)
        return await asyncio.gather(*several[1:])

    assert asyncio.run(main()) == [1, 1, 1]


async def _value(result: Any) -> Any:
    return await result


def test_a_file_that_can_not_be_read_is_no_endless_wait(tmp_path: Path) -> None:
    from pyqueue.exceptions import FileRefused

    (tmp_path / "no.db").write_bytes(b"no database " * 1000)
    result = PyQueue(tmp_path / "no.db").AsyncResult("x")
    with pytest.raises(FileRefused):
        asyncio.run(_value(result))
    with pytest.raises(FileRefused):
        list(GroupResult([result]).as_completed(timeout=10))


def test_forgetting(app: PyQueue, once: Callable[..., Any]) -> None:
    task = app.task(name="one")(lambda: 1)
    result = task.delay()
    assert not result.forget()
    once(result)
    assert result.forget()
    assert result.state == "UNKNOWN"


def test_progress_of_a_job_that_was_lost_is_refused(app: PyQueue) -> None:
    from pyqueue.worker.run_job import run_job

    raised: list[Exception] = []

    @app.task(bind=True, name="tell")
    def tell(self: Any) -> None:
        self.update_state(state="HALF")
        app.store.part(worker)
        app.store.reap()
        try:
            self.update_state(state="LATE")
        except LeaseLost as error:
            raised.append(error)

    worker = app.store.join("test", 1, 30_000_000)
    tell.delay()
    run_job(app, app.store.claim(worker, 1)[0])
    assert len(raised) == 1


def test_the_last_of_very_many_is_found_though_none_before_it_has_ended(
    app: PyQueue, once: Callable[..., Any]
) -> None:
    task = app.task(name="one")(lambda: 1)
    several = app.send_group([task.s().set(countdown=3600)] * 2_000).results
    last = once(task.delay())
    assert next(GroupResult([*several, last]).as_completed(timeout=30)) == last
