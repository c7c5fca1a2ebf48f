"""What ``inspect`` says of a worker and of its jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engines import Engine
from promising import differs, same

from pyqueue.inspecting import IN_FILE


def shape(value: Any) -> Any:
    """Names of keys with the types below them."""
    if isinstance(value, Mapping):
        return {name: shape(each) for name, each in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [shape(each) for each in value]
    return type(value).__name__


def of_workers(answers: Mapping[str, Any] | None) -> Any:
    """Without the workers' names, and without what stands under the file."""
    return None if answers is None else [each for name, each in answers.items() if name != IN_FILE]


def look(engine: Engine, **options: Any) -> Any:
    return engine.app.control.inspect(timeout=2, **options)


@contextmanager
def holding(engine: Engine, name: str) -> Iterator[Any]:
    """A job that runs."""
    gate = engine.folder / name
    result = engine.tasks.hold.apply_async((str(gate),), {})
    engine.until(gate.with_name(f"{name}.started").exists)
    try:
        yield result
    finally:
        gate.touch()
        engine.get(result)


INFO = {
    "acknowledged": "bool",
    "args": ["str"],
    "delivery_info": {"exchange": "str", "priority": "int", "redelivered": "bool", "routing_key": "str"},
    "hostname": "str",
    "id": "str",
    "kwargs": {},
    "name": "str",
    "time_start": "float",
    "type": "str",
    "worker_pid": "int",
}


@same("`inspect().active()` while a job runs: names and types", [[INFO]])
def active_shape(engine: Engine) -> object:
    with holding(engine, "active_shape"):
        found = of_workers(look(engine).active())
        # Celery's own says None where a message has no priority, and bool where Redis redelivers nothing.
        for each in found[0]:
            each["delivery_info"] = {
                name: value if value is not None else {"priority": 0, "redelivered": False}[name]
                for name, value in each["delivery_info"].items()
            }
        return shape(found)


@same("its `name`, `type`, `args`, `kwargs`, `routing_key` and whether `id` is the job's", True)
def active_says_the_call(engine: Engine) -> object:
    with holding(engine, "active_call") as result:
        ((job,),) = of_workers(look(engine).active())
        call = (job["name"], job["type"], job["args"], job["kwargs"], job["id"])
        return call == ("warehouse.hold",) * 2 + ([str(engine.folder / "active_call")], {}, result.id)


@same("`active()`, `reserved()` of a worker without work", [[[]], [[]]])
def nothing_active(engine: Engine) -> object:
    engine.turn()
    engine.until(lambda: of_workers(look(engine).active()) == [[]])
    return [of_workers(look(engine).active()), of_workers(look(engine).reserved())]


@same(
    "`inspect(['nobody']).active()`, `inspect(pattern='nobody*', matcher='glob').active()`: falsy", [True] * 2
)
def nobody(engine: Engine) -> object:
    looks = ({"destination": ["nobody"]}, {"pattern": "nobody*", "matcher": "glob"})
    return [not look(engine, **each).active() for each in looks]


@same("`inspect([NAME]).active()`, `inspect().active()`: the same worker", True)
def one_by_name(engine: Engine) -> object:
    engine.turn()
    (name,) = look(engine).ping()
    return list(look(engine, destination=[name]).active()) == list(look(engine).active()) == [name]


@differs(
    "`inspect().ping()`",
    [{"ok": "pong"}],
    [{"ok": "pong", "state": "idle", "busy": 0, "slots": 1}],
    "it says how the worker is; one that is stopped or dead has `error` in place of `ok`",
)
def ping(engine: Engine) -> object:
    engine.turn()
    engine.until(lambda: of_workers(look(engine).ping())[0].get("busy", 0) == 0)
    return of_workers(look(engine).ping())


@same(
    "`inspect().registered()` has `warehouse.add`; with `max_retries` it is",
    ["warehouse.add [max_retries=3]"],
)
def registered(engine: Engine) -> object:
    plain, more = (of_workers(look(engine).registered(*items))[0] for items in ((), ("max_retries",)))
    assert "warehouse.add" in plain
    return [each for each in more if each.startswith("warehouse.add ")]


@differs(
    "`inspect().scheduled()` with a job of `countdown=60`: where it is",
    "the worker",
    IN_FILE,
    "a job whose time has not come is with no worker, and is there without one",
)
def scheduled(engine: Engine) -> object:
    late = engine.tasks.add.apply_async((1, 2), countdown=60)
    found: dict[str, Any] = {}

    def seen() -> bool:
        found.update(look(engine).scheduled())
        return any(found.values())

    engine.until(seen)
    ((name, (each,)),) = [(name, several) for name, several in found.items() if several]
    assert each["request"]["id"] == late.id
    late.revoke()
    return name if name == IN_FILE else "the worker"


@same(
    "one of `scheduled()`: names and types, but of `request`",
    {"eta": "str", "priority": "int", "request": "dict"},
)
def scheduled_shape(engine: Engine) -> object:
    late = engine.tasks.add.apply_async((1, 2), countdown=60)
    engine.until(lambda: any(look(engine).scheduled().values()))
    (each, *_) = [
        each
        for several in look(engine).scheduled().values()
        for each in several
        if each["request"]["id"] == late.id
    ]
    late.revoke()
    return {name: type(value).__name__ for name, value in each.items()}


@same(
    "`inspect().query_task(id)` of a job that runs, that has ended, and that was never made: its states",
    [["active"], [], []],
)
def query_task(engine: Engine) -> object:
    def states(id: str) -> list[str]:
        found = look(engine).query_task(id) or {}
        return [state for each in found.values() for state, _ in each.values()]

    with holding(engine, "query_task") as result:
        running = states(result.id)
    engine.until(lambda: states(result.id) == [])
    return [running, states(result.id), states("nothing")]


@same("`inspect().revoked()` has a job that was revoked", True)
def revoked_is_listed(engine: Engine) -> object:
    late = engine.tasks.add.apply_async((1, 2), countdown=60)
    late.revoke()
    engine.until(lambda: late.id in of_workers(look(engine).revoked())[0])
    return late.id in of_workers(look(engine).revoked())[0]


@differs(
    "`inspect().active_queues()`: names",
    [["celery"]],
    [["default"]],
    "set `task_default_queue` to keep the old name",
)
def active_queues(engine: Engine) -> object:
    return [
        [each["name"] for each in queues if each["name"] in ("celery", "default")]
        for queues in of_workers(look(engine).active_queues())
    ]


@differs(
    "keys of a queue there that the other has not",
    [],
    ["reserved_slots"],
    "`-Q mail:2` has two slots of its own",
)
def keys_of_a_queue(engine: Engine) -> object:
    return _more(engine, of_workers(look(engine).active_queues())[0][0], "queue")


@differs(
    "keys of `inspect().stats()` that the other has not",
    ["clock"],
    ["busy", "children", "state"],
    "there is no logical clock: the file orders what happens",
)
def keys_of_stats(engine: Engine) -> object:
    return _more(engine, of_workers(look(engine).stats())[0], "stats")


@same("`stats()['total']` of a task that was run", True)
def counted(engine: Engine) -> object:
    def total() -> int:
        return int(of_workers(look(engine).stats())[0]["total"].get("warehouse.subtract", 0))

    before = total()
    engine.get(engine.tasks.subtract.delay(1, 2))
    engine.until(lambda: total() == before + 1)
    return total() == before + 1


@same("`inspect().report()`: `{'ok': text}`", [{"ok": "str"}])
def report(engine: Engine) -> object:
    return shape(of_workers(look(engine).report()))


KEYS = {
    "queue": (
        *("name", "exchange", "routing_key", "queue_arguments", "binding_arguments", "consumer_arguments"),
        *("durable", "exclusive", "auto_delete", "no_ack", "alias", "bindings", "no_declare", "expires"),
        *("message_ttl", "max_length", "max_length_bytes", "max_priority"),
    ),
    "stats": ("total", "pid", "uptime", "pool", "broker", "prefetch_count", "rusage"),
}
"""What both have."""


def _more(engine: Engine, found: Mapping[str, Any], what: str) -> list[str]:
    assert set(KEYS[what]) <= set(found), f"{engine.name} lacks {set(KEYS[what]) - set(found)}"
    return sorted(set(found) - set(KEYS[what]))
