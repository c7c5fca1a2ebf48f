"""What a worker says of itself in the file: for ``inspect``, which asks nobody."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import __version__, sqlite_version
from pyqueue.options import TaskOptions
from pyqueue.redaction import MASK, is_secret, masked, masked_text

if TYPE_CHECKING:
    from pyqueue.app import PyQueue
    from pyqueue.worker.starting import Plan

LONGEST: Final = 200
"""Characters of a task's attribute."""
LARGEST: Final = 1 << 18
"""Bytes. Beyond, what is longest is left out."""
NAMELESS: Final = ("name", "bind", "base")
PLAIN: Final = (str, int, float, bool, type(None))


def facts_of(app: PyQueue, target: str, plan: Plan) -> dict[str, Any]:
    """All of it, in values that JSON has; secrets are masked."""
    return {
        "worker": plan.name,
        "crew": uuid.uuid4().hex,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "started": time.time(),
        "argv": [masked_text(each) for each in sys.orig_argv],
        "app": target,
        "pyqueue": __version__,
        "sqlite": sqlite_version,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pool": plan.pool,
        "concurrency": plan.concurrency,
        "least": plan.least,
        "queues": None if plan.queues is None else list(plan.queues),
        "reserved": dict(plan.served.slots),
        "prefetch": plan.prefetch,
        "max_tasks_per_child": plan.max_tasks_per_child,
        "max_memory_per_child": plan.max_memory_per_child,
        "memory_limit": plan.memory_limit,
        "time_limit": plan.time_limit,
        "soft_time_limit": plan.soft_time_limit,
        "grace": plan.grace,
        "burst": plan.burst,
        **tasks_of(app),
        "conf": conf_of(app),
    }


def tasks_of(app: PyQueue) -> dict[str, Any]:
    """The tasks with the options that are not as usual, and the usual ones."""
    usual = {
        name: text
        for name, value in TaskOptions()._asdict().items()
        if name not in NAMELESS and (text := _text(value)) is not None
    }
    tasks = {}
    for name in sorted(app.tasks):
        options = app.tasks[name].options._asdict()
        said = {key: _text(value) for key, value in options.items() if key not in NAMELESS}
        tasks[name] = {key: text for key, text in said.items() if text != usual.get(key)}
    return {"tasks": tasks, "usual": usual}


def conf_of(app: PyQueue) -> dict[str, Any]:
    """Each knob and each setting that was given: its value, and where it is from."""
    resolved = app.resolved()
    known = {name: [value, resolved.origins[name]] for name, value in resolved.config._asdict().items()}
    given = {name: [app.conf[name], "app.conf"] for name in app.conf.names_given()}
    return {
        name: [MASK if is_secret(name) and value is not None else _plain(masked(value)), origin]
        for name, (value, origin) in {**known, **given}.items()
    }


def encoded(facts: Mapping[str, Any]) -> bytes:
    """The bytes for the file, of a bounded number."""
    text = json.dumps(facts)
    if len(text) > LARGEST:
        bare = {**facts, "conf": {}, "tasks": {name: {} for name in facts.get("tasks", ())}, "cut": True}
        text = json.dumps(bare)
    if len(text) > LARGEST:
        text = json.dumps({**bare, "tasks": None, "argv": []})
    return text.encode()


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = dict(value)
    return masked_text(str(value))[:LONGEST]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, PLAIN) else masked_text(str(value))[:LONGEST]
