"""What a worker does when it is told to: the commands that are always there. Answers are Celery's where it has one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_OID, uuid5

from pyqueue.composer import is_composed, wrapped
from pyqueue.worker.log import log
from pyqueue.worker.starting import see_to_descriptors

if TYPE_CHECKING:
    from pyqueue.app import PyQueue
    from pyqueue.worker.crew import Crew

Answer = dict[str, Any]


class State:
    """The worker, as a command finds it."""

    def __init__(self, app: PyQueue, hostname: str, crew: Crew, shutdown: Callable[[], None]) -> None:
        self.app: Final = app
        self.hostname: Final = hostname
        self.crew: Final = crew
        self.shutdown: Final = shutdown


def ping(_state: State) -> Answer:
    """Says that its main process answers."""
    return {"ok": "pong"}


def pool_grow(state: State, n: int = 1) -> Answer:
    """More children."""
    _see_to_descriptors(state, n)
    return {"ok": state.crew.grow(n)}


def _see_to_descriptors(state: State, more: int) -> None:
    """Raises ImproperlyConfigured where so many children more can't have their sockets."""
    ours = (worker.most or 0 for worker in state.app.store.workers() if worker.pid == os.getpid())
    see_to_descriptors(sum(ours) + more)


def pool_shrink(state: State, n: int = 1) -> Answer:
    """Fewer children."""
    return {"ok": state.crew.shrink(n)}


def autoscale(state: State, max: int | None = None, min: int | None = None) -> Answer:
    """Other bounds."""
    _see_to_descriptors(state, max or 0)
    return {"ok": state.crew.scale(max, min)}


def pool_restart(state: State, modules: list[str] | None = None, reload: bool = False) -> Answer:  # noqa: ARG001
    """New children; they load all code anew, whatever is named."""
    state.crew.reload()
    return {"ok": "reload started"}


def add_consumer(state: State, queue: str, **_exchange: Any) -> Answer:
    """One queue more."""
    return {"ok": state.crew.serve(queue)}


def cancel_consumer(state: State, queue: str) -> Answer:
    """One queue fewer."""
    return {"ok": state.crew.unserve(queue)}


def time_limit(state: State, task_name: str, soft: float | None = None, hard: float | None = None) -> Answer:
    """Other limits for a task."""
    if state.app.tasks.get_task(task_name) is None:
        return {"error": "unknown task"}
    return {"ok": state.crew.limit(task_name, _us(hard), _us(soft))}


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds * 1e6))


def shutdown(_state: State, msg: str = "Got shutdown from remote") -> Answer:
    """Says that it will; the stop itself comes behind the answer."""
    log.warning("%s", msg)
    return {"ok": "shutting down"}


def heartbeat(_state: State) -> None:
    """Nothing."""


def election(state: State, id: str, topic: str, action: dict[str, Any] | None = None) -> Answer:
    """Sends the action, unless another worker has: the job's id follows from the election, and is given once."""
    if topic != "task":
        return {"error": f"unknown topic {topic!r:.80}: there is only task"}
    if action is None:
        return {"ok": "nothing to do"}
    signature = state.app.signature(action)
    if is_composed(signature):
        signature = wrapped(signature)
    sent = state.app.send(
        signature.clone(task_id=str(uuid5(NAMESPACE_OID, f"pyqueue election {topic} {id}")))
    )
    return {"ok": "elected" if sent.created else "another was elected"}


OWN_ORDERS: Final[dict[str, Callable[..., Answer | None]]] = {
    "ping": ping,
    "pool_grow": pool_grow,
    "pool_shrink": pool_shrink,
    "autoscale": autoscale,
    "pool_restart": pool_restart,
    "add_consumer": add_consumer,
    "cancel_consumer": cancel_consumer,
    "time_limit": time_limit,
    "shutdown": shutdown,
    "heartbeat": heartbeat,
    "election": election,
}
