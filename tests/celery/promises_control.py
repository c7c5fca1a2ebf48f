"""Commands to workers: what each of them answers."""

from __future__ import annotations

from typing import Any

from engines import Engine
from promising import differs, same


def said(answers: Any) -> Any:
    """The answers without the workers' names."""
    return [value for each in answers for value in each.values()]


@same("`control.ping()`, without the workers' names", [{"ok": "pong"}])
def pong(engine: Engine) -> object:
    return said(engine.app.control.ping(timeout=2))


@same("`control.broadcast('ping', reply=True, pattern='*', matcher='glob')`", [{"ok": "pong"}])
def pong_of_a_pattern(engine: Engine) -> object:
    control = engine.app.control
    return said(control.broadcast("ping", reply=True, timeout=2, pattern="*", matcher="glob"))


@same("`control.broadcast('ping')`: waits for nothing, and gives", None)
def cast(engine: Engine) -> object:
    return engine.app.control.broadcast("ping")


@same("`callback=` gets", [{"ok": "pong"}])
def callback(engine: Engine) -> object:
    heard: list[Any] = []
    engine.app.control.ping(timeout=2, callback=heard.append)
    return said(heard)


@same(
    "`control.time_limit('warehouse.add', soft=50, hard=60, reply=True)`",
    [{"ok": "time limits set successfully"}],
)
def time_limit(engine: Engine) -> object:
    control = engine.app.control
    answers = said(control.time_limit("warehouse.add", soft=50, hard=60, reply=True, timeout=2))
    control.time_limit("warehouse.add", reply=True, timeout=2)
    return answers


@same("`control.time_limit('nobody.knows', hard=60, reply=True)`", [{"error": "unknown task"}])
def time_limit_of_nothing(engine: Engine) -> object:
    return said(engine.app.control.time_limit("nobody.knows", hard=60, reply=True, timeout=2))


@same(
    "`control.rate_limit(…, '100/s', reply=True)`, then `0`",
    [{"ok": "new rate limit set successfully"}, {"ok": "rate limit disabled successfully"}],
)
def rate_limit(engine: Engine) -> object:
    control = engine.app.control
    answers = [control.rate_limit("warehouse.untyped", rate, reply=True, timeout=2) for rate in ("100/s", 0)]
    return [value for each in answers for value in said(each)]


@same("a job that waits, after `control.revoke(id)`: its state", "REVOKED")
def revoked(engine: Engine) -> object:
    result = engine.tasks.add.apply_async((1, 2), countdown=1)
    engine.app.control.revoke(result.id, reply=True, timeout=2)
    return engine.error(lambda: engine.get(result)) and result.state


@differs(
    "`control.ping(['nobody@host'])`",
    "nothing: []",
    "NoSuchWorker",
    "half of an order is worse than none, and a name that is wrong should not look like silence",
)
def ping_nobody(engine: Engine) -> object:
    answer = engine.raised(lambda: engine.app.control.ping(["nobody@host"], timeout=1))
    return answer if answer.startswith("nothing") else answer.partition(":")[0]


@differs(
    "`control.broadcast('pool_grw', reply=True)`",
    "[\"KeyError('pool_grw')\"]",
    "InvalidCommand",
    "what no worker can do is refused before it is sent",
)
def unknown_command(engine: Engine) -> object:
    control = engine.app.control
    try:
        return str([each["error"] for each in said(control.broadcast("pool_grw", reply=True, timeout=2))])
    except Exception as error:
        return type(error).__name__
