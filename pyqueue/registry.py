"""The tasks of one app, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import ImproperlyConfigured, NotRegistered

if TYPE_CHECKING:
    from pyqueue.task import Task


class Registry(Mapping[str, "Task[Any, Any]"]):
    """Name → task. One name, one function."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[Any, Any]] = {}

    def add(self, task: Task[Any, Any]) -> None:
        """Registers a task. Raises ImproperlyConfigured if another function has its name."""
        known = self._tasks.get(task.name)
        if known is not None and known.source != task.source:
            raise ImproperlyConfigured(
                f"two functions are named {task.name}: {known.source} and {task.source}; "
                f"give one of them another name with @app.task(name=…)"
            )
        self._tasks[task.name] = task

    def __getitem__(self, name: str) -> Task[Any, Any]:
        try:
            return self._tasks[name]
        except KeyError:
            raise NotRegistered(self._missing(name)) from None

    def get_task(self, name: str) -> Task[Any, Any] | None:
        """The task, or None."""
        return self._tasks.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def _missing(self, name: str) -> str:
        import difflib  # noqa: PLC0415

        near = difflib.get_close_matches(name, self._tasks, cutoff=0.5)
        if near:
            return f"no task {name} is registered here; near it are: {', '.join(near)}"
        return (
            f"no task {name} is registered here; there are: {', '.join(sorted(self._tasks)) or 'none at all'}"
        )
