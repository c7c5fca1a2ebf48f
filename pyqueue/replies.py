"""What is told of one worker, in the shapes of Celery's ``inspect``: from its own words in the file, its page and /proc."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyqueue._core import Inspecting, Store
    from pyqueue.serving import Serving

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_NO_EXCHANGE: Final = {
    "name": "",
    "type": "direct",
    "arguments": None,
    "durable": True,
    "passive": False,
    "auto_delete": False,
    "delivery_mode": None,
    "no_declare": False,
}


def pong(worker: Serving) -> dict[str, Any]:
    """How it is."""
    if not worker.well:
        told = {"error": f"{worker.state}: {worker.why}", "state": worker.state, "jobs": worker.jobs}
        return told
    return {"ok": "pong", "state": worker.state, "busy": worker.busy, "slots": worker.slots}


def registered(worker: Serving, items: Sequence[str]) -> list[str]:
    """Its tasks, each with those of these options that it has."""
    usual = worker.facts.get("usual", {})
    wanted = [item for item in items or ("rate_limit",) if not item.startswith("_")]
    told = []
    for name, own in sorted(worker.tasks().items()):
        said = {**usual, **own}
        fields = [f"{item}={said[item]}" for item in wanted if said.get(item) is not None]
        told.append(f"{name} [{' '.join(fields)}]" if fields else name)
    return told


def queues(worker: Serving, store: Store) -> list[dict[str, Any]]:
    """Those it serves; where it serves all, those that the file has now."""
    names = worker.facts.get("queues")
    if names is None:
        names = sorted(each.name for each in store.queues())
    own = worker.facts.get("reserved", {})
    return [
        {
            "name": name,
            "exchange": dict(_NO_EXCHANGE),
            "routing_key": name,
            "queue_arguments": None,
            "binding_arguments": None,
            "consumer_arguments": None,
            "durable": True,
            "exclusive": False,
            "auto_delete": False,
            "no_ack": False,
            "alias": None,
            "bindings": [],
            "no_declare": None,
            "expires": None,
            "message_ttl": None,
            "max_length": None,
            "max_length_bytes": None,
            "max_priority": None,
            "reserved_slots": own.get(name, 0),
        }
        for name in names
    ]


def conf(worker: Serving, with_defaults: bool) -> dict[str, Any]:
    """What it goes by: what was said, or all."""
    known = worker.facts.get("conf", {})
    pairs = {name: each for name, each in known.items() if isinstance(each, list) and len(each) == 2}
    return {name: value for name, (value, origin) in pairs.items() if with_defaults or origin != "default"}


def stats(worker: Serving, look: Inspecting, store: Store) -> dict[str, Any]:
    """Its process, its pool, and what it has run."""
    facts = worker.facts
    tasks = list(worker.tasks())
    total: dict[str, int] = {}
    for part in worker.parts:
        counts, others = look.tally(part.id, tasks)
        for name, count in [*counts, *([("(others)", others)] if others else [])]:
            total[name] = total.get(name, 0) + count
    started = facts.get("started")
    return {
        "total": total,
        "pid": worker.pid or facts.get("pid") or worker.parts[0].pid,
        "uptime": None if started is None else max(0, round(time.time() - started)),
        "pool": {
            "implementation": facts.get("pool"),
            "max-concurrency": worker.slots,
            "max-tasks-per-child": facts.get("max_tasks_per_child") or "N/A",
            "processes": [pid for part in worker.parts for pid in look.children(part.id)],
            "put-guarded-by-semaphore": False,
            "timeouts": [facts.get("soft_time_limit") or 0, facts.get("time_limit") or 0],
        },
        "broker": {
            "transport": "sqlite",
            "hostname": facts.get("host"),
            "virtual_host": store.path,
            "userid": None,
            "port": None,
            "insist": False,
            "ssl": False,
            "login_method": None,
            "uri_prefix": None,
            "heartbeat": None,
            "connect_timeout": None,
            "failover_strategy": None,
            "transport_options": {},
            "alternates": [],
        },
        "prefetch_count": worker.jobs,
        "rusage": "N/A" if worker.pid is None else _used(worker.pid),
        "state": worker.state,
        "busy": worker.busy,
        "children": sum(part.children or 0 for part in worker.parts),
    }


def report(worker: Serving) -> str:
    """Versions, pool, queues and file."""
    facts = worker.facts
    serves = facts.get("queues")
    lines = {
        "software": f"pyqueue:{facts.get('pyqueue')} sqlite:{facts.get('sqlite')} py:{facts.get('python')}",
        "host": facts.get("host"),
        "process": facts.get("pid"),
        "state": worker.state,
        "app": facts.get("app"),
        "pool": f"{facts.get('pool')}, {worker.slots} jobs at once",
        "queues": "all" if serves is None else ", ".join(serves),
        "tasks": len(worker.tasks()),
    }
    given = [f"{name}: {value!r}" for name, value in conf(worker, with_defaults=False).items()]
    return "\n".join([*(f"{name}: {value}" for name, value in lines.items()), "", *given])


def memory(worker: Serving) -> str | None:
    """The resident memory of its main process."""
    if worker.pid is None:
        return None
    try:
        with open(f"/proc/{worker.pid}/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return f"{pages * resource.getpagesize() / 2**20:.2f}MB"


def _used(pid: int) -> dict[str, Any] | str:
    """What ``getrusage`` would say there, as far as /proc does."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name before it stands in parentheses and may hold any character.
            words = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        number = {
            name: int(value.split()[0])
            for name, value in lines.items()
            if value.split()[:1] and value.split()[0].isdigit()
        }
        return {
            "utime": int(words[11]) / _TICKS,
            "stime": int(words[12]) / _TICKS,
            "minflt": int(words[7]),
            "majflt": int(words[9]),
            "maxrss": number.get("VmHWM", 0),
            "nvcsw": number.get("voluntary_ctxt_switches", 0),
            "nivcsw": number.get("nonvoluntary_ctxt_switches", 0),
        }
    except (OSError, ValueError, IndexError):
        return "N/A"
