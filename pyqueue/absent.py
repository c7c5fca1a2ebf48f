"""Names of Celery that are not here, each with what to use instead: what an error adds when one is asked for."""

from __future__ import annotations

from typing import Final

_BEAT = "any worker fires schedules; `pyqueue beat` does that alone"
_WORKER = "use `pyqueue worker`, or `with app.worker():` inside of a process"
_FILE = "nothing is connected to; jobs and results are in one file, and app.store reads it"
_QUEUES = "there are no exchanges, only queues; use queue="

APP: Final = {
    "Beat": _BEAT,
    "Worker": _WORKER,
    "WorkController": _WORKER,
    "worker_main": _WORKER,
    "start": _WORKER,
    "amqp": _QUEUES,
    "backend": _FILE,
    "broker_connection": _FILE,
    "connection": _FILE,
    "connection_for_read": _FILE,
    "connection_for_write": _FILE,
    "pool": _FILE,
    "producer_or_acquire": _FILE,
    "log": "use logging; a worker leaves it alone where it is set up",
    "register_task": "use @app.task(base=YourTask) on a function",
    "subtask": "use app.signature",
}

INSPECT: Final = {
    "clock": "there is no logical clock: the file orders what happens",
    "hello": "workers share one file and need not tell each other",
    "memdump": "use memsample(), or py-spy and memray on the worker's process",
    "objgraph": "use objgraph or memray inside of a task",
}

CALL: Final = {
    "exchange": _QUEUES,
    "routing_key": _QUEUES,
    "compression": "the body is stored as it is",
    "connection": _FILE,
    "producer": _FILE,
    "correlation_id": "put it into headers=",
    "reply_to": "results are in the file",
    "group_id": "a group names its members itself",
    "chord": "write chord(header, body), or group(…) | body",
    "add_to_parent": "a job made inside a job always knows it",
}

TASK: Final = {
    "store_errors_even_if_ignored": "errors are always kept",
    "acks_on_failure_or_timeout": "a job that has failed has ended; raise Reject(requeue=True) to run it again",
    "send_events": "events are written while somebody follows them; see pyqueue events",
    "trail": "a job always knows what it made",
    "compression": "the body is stored as it is",
    "exchange": _QUEUES,
    "routing_key": _QUEUES,
}
