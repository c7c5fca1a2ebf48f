"""Where they differ on purpose, and why."""

from __future__ import annotations

import time
import uuid

from engines import Engine
from promising import differs


@differs(
    "the state of an id that nobody has made",
    "PENDING",
    "UNKNOWN",
    "a lost job must not look like one that waits",
)
def unknown_state(engine: Engine) -> object:
    return engine.app.AsyncResult("nobody").state


@differs(
    "`get(timeout=0.1)` of such an id",
    "TimeoutError",
    "UnknownJob",
    "the file knows at once that there is nothing to wait for",
)
def unknown_get(engine: Engine) -> object:
    return engine.error(lambda: engine.app.AsyncResult("nobody").get(timeout=0.1))


@differs(
    "the state of a job that runs",
    "PENDING",
    "STARTED",
    "a claim is a row of the file, and costs nothing to show",
)
def running_state(engine: Engine) -> object:
    gate = engine.folder / uuid.uuid4().hex
    result = engine.tasks.hold.delay(str(gate))
    engine.until(gate.with_name(gate.name + ".started").exists)
    state = result.state
    gate.touch()
    engine.get(result)
    return state


@differs(
    "a task that the worker doesn't know: its state",
    "FAILURE",
    "PENDING",
    "it is parked, and runs once a worker knows it",
)
def unknown_task(engine: Engine) -> object:
    result = engine.app.send_task("warehouse.gone")
    engine.turn()
    return result.state


@differs("two calls with one `task_id`: the task runs", 2, 1, "an id is one job")
def one_id_twice(engine: Engine) -> object:
    path = engine.folder / uuid.uuid4().hex
    for _ in range(2):
        engine.tasks.note.apply_async((str(path),), task_id=path.name)
    engine.turn()
    return len(path.read_text().split())


@differs(
    "the queue of a call that names none",
    "celery",
    "default",
    "set `task_default_queue` to keep the old name",
)
def default_queue(engine: Engine) -> object:
    return engine.get(engine.tasks.queue_of.delay())


@differs(
    "a job for a queue that no `-Q` names: its state",
    "PENDING",
    "SUCCESS",
    "a worker without -Q works every queue",
)
def other_queue(engine: Engine) -> object:
    result = engine.tasks.add.apply_async((1, 1), queue="other")
    engine.turn()
    return result.state


@differs(
    "the state of a job with `ignore_result=True` that has ended",
    "PENDING",
    "SUCCESS",
    "the result is not kept, that it ended is",
)
def ignored(engine: Engine) -> object:
    result = engine.tasks.quiet.delay()
    engine.turn()
    return result.state


@differs(
    "the state of a job that raised `Ignore`",
    "PENDING",
    "SUCCESS",
    "a job that has ended is not left waiting",
)
def ignore_raised(engine: Engine) -> object:
    result = engine.tasks.ignores.delay()
    engine.turn()
    return result.state


@differs(
    "`expires=0.05` and the worker is busy until later",
    "SUCCESS",
    "REVOKED",
    "it is looked at when the job starts, not when a worker fetches it",
)
def expired_while_busy(engine: Engine) -> object:
    gate = engine.folder / uuid.uuid4().hex
    holding = engine.tasks.hold.delay(str(gate))
    result = engine.tasks.add.apply_async((1, 1), expires=0.05)
    time.sleep(0.1)
    gate.touch()
    engine.get(holding)
    engine.turn()
    return result.state


@differs(
    "a signature is a dict: `add.s(2)['task']`",
    "warehouse.add",
    "TypeError",
    "it is a value that can't be changed; `to_dict()` gives the dict",
)
def signature_as_dict(engine: Engine) -> object:
    try:
        return engine.tasks.add.s(2)["task"]
    except TypeError:
        return "TypeError"
