"""A task queue in one SQLite file."""

from pyqueue._core import __version__ as __version__

# Each name is loaded when it is first asked for: the commands need few of them, and loading all costs five
# interpreter starts. Type checkers know the name TYPE_CHECKING; typing itself would cost one start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyqueue.app import PyQueue as PyQueue
    from pyqueue.canvas import Chunks as Chunks
    from pyqueue.canvas import chain as chain
    from pyqueue.canvas import chord as chord
    from pyqueue.canvas import chunks as chunks
    from pyqueue.canvas import group as group
    from pyqueue.canvas import xmap as xmap
    from pyqueue.canvas import xstarmap as xstarmap
    from pyqueue.celery import Celery as Celery
    from pyqueue.check import Check as Check
    from pyqueue.group_result import GroupResult as GroupResult
    from pyqueue.request import current_task as current_task
    from pyqueue.result import AsyncResult as AsyncResult
    from pyqueue.result_set import ResultSet as ResultSet
    from pyqueue.retry_rule import RetryRule as RetryRule
    from pyqueue.shared import shared_task as shared_task
    from pyqueue.signature import Signature as Signature
    from pyqueue.task import Task as Task

__all__ = [
    "AsyncResult",
    "Celery",
    "Check",
    "Chunks",
    "GroupResult",
    "PyQueue",
    "ResultSet",
    "RetryRule",
    "Signature",
    "Task",
    "__version__",
    "chain",
    "chord",
    "chunks",
    "current_task",
    "group",
    "shared_task",
    "xmap",
    "xstarmap",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'pyqueue' has no attribute {name!r}")
    from pyqueue import face  # noqa: PLC0415

    for each in __all__:
        if hasattr(face, each):
            globals()[each] = getattr(face, each)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
