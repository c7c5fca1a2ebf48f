"""What Celery and pyqueue answer alike."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from engines import Engine
from promising import same


@same("`add.delay(2, 3).get()`", 5)
def delay_and_get(engine: Engine) -> object:
    return engine.get(engine.tasks.add.delay(2, 3))


@same("`add(2, 3)`, `add.apply((2, 3)).get()`: here and now", [5, 5])
def called_here(engine: Engine) -> object:
    return [engine.tasks.add(2, 3), engine.tasks.add.apply((2, 3)).get()]


@same("`apply_async((2,), {'y': 3})`", 5)
def arguments_and_keywords(engine: Engine) -> object:
    return engine.get(engine.tasks.add.apply_async((2,), {"y": 3}))


@same(
    "`add.delay(2)`, `add.s(2).delay()`, `add.delay(1, 2, 3)`, `add.delay(2, z=3)`: at the caller",
    ["TypeError"] * 4,
)
def arguments_that_do_not_fit(engine: Engine) -> object:
    add = engine.tasks.add
    calls = (
        lambda: add.delay(2),
        lambda: add.s(2).delay(),
        lambda: add.delay(1, 2, 3),
        lambda: add.delay(2, z=3),
    )
    return [engine.error(call) for call in calls]


@same(
    "the same with `typing=False`, with `send_task` and in `apply`: the job fails with it", ["TypeError"] * 3
)
def arguments_that_fail_the_job(engine: Engine) -> object:
    results = [
        engine.tasks.untyped.delay(2),
        engine.app.send_task("warehouse.add", (2,)),
        engine.tasks.add.apply((2,)),
    ]
    return [engine.error(lambda result=result: engine.get(result)) for result in results]


@same("`app.send_task('warehouse.add', (2, 3))`, the task unknown to the sender", 5)
def sent_by_name(engine: Engine) -> object:
    return engine.get(engine.app.send_task("warehouse.add", (2, 3)))


@same("a task's name: module and function, or `name=`", ["warehouse.add", "named.by.hand", "named"])
def names(engine: Engine) -> object:
    return [engine.tasks.add.name, engine.tasks.named.name, engine.get(engine.tasks.named.delay())]


@same(
    "`state`, `ready()`, `successful()`, `failed()`, `result` of a success", ["SUCCESS", True, True, False, 5]
)
def seen_success(engine: Engine) -> object:
    result = engine.tasks.add.delay(2, 3)
    engine.get(result)
    return [result.state, result.ready(), result.successful(), result.failed(), result.result]


@same("the same of a failure, and whether `traceback` has the line", ["FAILURE", True, False, True, True])
def seen_failure(engine: Engine) -> object:
    result = engine.tasks.fail.delay("builtin")
    engine.error(lambda: engine.get(result))
    shown = "raise" in str(result.traceback)
    return [result.state, result.ready(), result.successful(), result.failed(), shown]


@same("`app.AsyncResult(id)` of a job that has ended", ["SUCCESS", 5])
def looked_up(engine: Engine) -> object:
    result = engine.tasks.add.delay(2, 3)
    engine.get(result)
    again = engine.app.AsyncResult(result.id)
    return [again.state, again.result]


@same("a builtin exception of the task, raised by `get()`", "ValueError: no")
def builtin_exception(engine: Engine) -> object:
    return engine.raised(lambda: engine.get(engine.tasks.fail.delay("builtin")))


@same("an exception class of your own, raised by `get()`", "OutOfStock: own")
def own_exception(engine: Engine) -> object:
    return engine.raised(lambda: engine.get(engine.tasks.fail.delay("own")))


@same("`get(propagate=False)` of a failure", "ValueError")
def not_propagated(engine: Engine) -> object:
    return type(engine.tasks.fail.delay("builtin").get(propagate=False, **engine.waiting)).__name__


@same(
    "`self.request`: id, task, args, kwargs, retries, is_eager",
    [True, "warehouse.request", [1], {"a": 2}, 0, False],
)
def request(engine: Engine) -> object:
    result = engine.tasks.request.delay(1, a=2)
    id, *others = engine.get(result)
    return [id == result.id, *others]


@same("`raise self.retry(exc=…, countdown=0.01)` until the third attempt", 2)
def retried(engine: Engine) -> object:
    return engine.get(engine.tasks.third_time.delay())


@same(
    "`raise self.retry(args=…, kwargs=…)`: called with those, under the same id",
    [1, 2, True, [1], {"times": 2}],
)
def retried_with_others(engine: Engine) -> object:
    result = engine.tasks.halves.delay(4)
    n, times, id, *arguments = engine.get(result)
    return [n, times, id == result.id, *arguments]


@same("the last retry is used up, with `exc=OSError('never')`", "OSError: never")
def retries_used_up(engine: Engine) -> object:
    return engine.raised(lambda: engine.get(engine.tasks.never.delay(True)))


@same("the last retry is used up, without `exc`", "MaxRetriesExceededError")
def retries_used_up_without_reason(engine: Engine) -> object:
    return engine.error(lambda: engine.get(engine.tasks.never.delay(False)))


@same("`autoretry_for=(OSError,)`, `max_retries=2`: two errors, then three", [2, "OSError: not yet"])
def autoretry(engine: Engine) -> object:
    return [
        engine.get(engine.tasks.auto.delay(2)),
        engine.raised(lambda: engine.get(engine.tasks.auto.delay(3))),
    ]


@same("`countdown=0.3`, `eta=` in 0.3 s: not before", [True, True])
def later(engine: Engine) -> object:
    begun = time.time()
    eta = datetime.now(UTC) + timedelta(seconds=0.3)
    results = engine.tasks.now.apply_async(countdown=0.3), engine.tasks.now.apply_async(eta=eta)
    return [engine.get(result) >= begun + 0.3 for result in results]


@same("`countdown=0.2, expires=0.1`: state, and what `get()` raises", ["REVOKED", "TaskRevokedError"])
def expired(engine: Engine) -> object:
    result = engine.tasks.add.apply_async((1, 1), countdown=0.2, expires=0.1)
    engine.until(lambda: result.state == "REVOKED")
    return [result.state, engine.error(lambda: engine.get(result))]


@same("`task_id=` of your own", ["mine", 5])
def own_id(engine: Engine) -> object:
    result = engine.tasks.add.apply_async((2, 3), task_id="mine")
    return [result.id, engine.get(result)]


@same("`subtract.s(2).delay(10)`, `add.si(1, 1).delay()`", [8, 2])
def signatures(engine: Engine) -> object:
    return [engine.get(engine.tasks.subtract.s(2).delay(10)), engine.get(engine.tasks.add.si(1, 1).delay())]


@same("`add.chunks(calls, 2).apply_async().get()`", [[2, 4], [6]])
def chunks(engine: Engine) -> object:
    return engine.get(engine.tasks.add.chunks([(1, 1), (2, 2), (3, 3)], 2).apply_async())


@same("`link=`: called with the result; `link_error=`, immutable: called after a failure", ["5", "failed"])
def linked(engine: Engine) -> object:
    found = []
    for task, args, option, callback in (
        (engine.tasks.add, (2, 3), "link", engine.tasks.write.s),
        (engine.tasks.fail, ("builtin",), "link_error", lambda path: engine.tasks.write.si("failed", path)),
    ):
        path = engine.folder / uuid.uuid4().hex
        task.apply_async(args, **{option: callback(str(path))})
        engine.until(lambda path=path: path.exists() and path.read_text())
        found.append(path.read_text())
    return found


@same("`update_state(state='COUNTED', meta={'n': 7})` while it runs: state and `info`", ["COUNTED", {"n": 7}])
def progress(engine: Engine) -> object:
    gate = engine.folder / uuid.uuid4().hex
    result = engine.tasks.counts.delay(str(gate))
    engine.until(gate.with_name(gate.name + ".started").exists)
    shown = [result.state, result.info]
    gate.touch()
    engine.get(result)
    return shown


@same("`headers=` of the call in `self.request.headers`", {"a": 1})
def headers(engine: Engine) -> object:
    return engine.get(engine.tasks.headers_of.apply_async(headers={"a": 1}))


@same("`self.request.parent_id`, `root_id` of a job made inside a job: the outer one's", [True, True])
def family(engine: Engine) -> object:
    outer = engine.tasks.makes.delay()
    inner = engine.app.AsyncResult(engine.get(outer))
    return [id == outer.id for id in engine.get(inner)]


@same("a tuple, a dict with a number as key: come back as", [[1, 2], {"1": 2}])
def json_values(engine: Engine) -> object:
    return [engine.get(engine.tasks.echo.delay(value)) for value in ((1, 2), {1: 2})]


@same("a datetime, Decimal, UUID and bytes in the task", ["datetime", "Decimal", "UUID", "bytes"])
def tagged_values(engine: Engine) -> object:
    values = (datetime.now(UTC), Decimal("1.5"), uuid.uuid4(), b"x")
    return [engine.get(engine.tasks.kind.delay(value)) for value in values]


@same("an object or a set as an argument, at `delay()`", ["EncodeError", "EncodeError"])
def no_json(engine: Engine) -> object:
    return [engine.error(lambda value=value: engine.tasks.echo.delay(value)) for value in (object(), {1})]


@same("`get(timeout=0.05)` of a job that waits", "TimeoutError")
def timed_out(engine: Engine) -> object:
    return engine.error(lambda: engine.tasks.add.apply_async((1, 1), countdown=3600).get(timeout=0.05))


@same("`get(timeout=0.1)` inside a task whose worker has one slot", "TimeoutError")
def get_inside(engine: Engine) -> object:
    return engine.error(lambda: engine.get(engine.tasks.asks.delay()))


@same("`revoke()` of a job that waits for its time: its state, once a worker has heard of it", "REVOKED")
def revoked(engine: Engine) -> object:
    result = engine.tasks.add.apply_async((1, 1), countdown=3600)
    result.revoke()
    engine.until(lambda: result.state == "REVOKED")
    return result.state
