"""The tasks that every worker knows: what a job goes on as where it became a canvas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pyqueue.composer import BECOMES
from pyqueue.task import Task, make_task

if TYPE_CHECKING:
    from pyqueue.task import TaskSender

VALUE: Final = "pyqueue.value"
NAMES: Final = (VALUE, BECOMES)


def value(found: Any = None) -> Any:
    """Returns what it is given."""
    return found


def becomes(self: Task[Any, Any], form: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Becomes the canvas of Celery's dictionary ``form``."""
    canvas = self.app.signature(form)
    return self.replace(canvas.clone(args, kwargs) if args or kwargs else canvas)


def own_tasks(sender: TaskSender) -> dict[str, Task[..., Any]]:
    """Both, of one app."""
    options = {"max_retries": None, "typing": False}
    return {
        VALUE: make_task(value, {"name": VALUE, **options}, sender),
        BECOMES: make_task(becomes, {"name": BECOMES, "bind": True, **options}, sender),
    }
