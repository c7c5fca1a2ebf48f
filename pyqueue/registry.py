"""The tasks of one app, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyqueue import shared
from pyqueue.exceptions import ImproperlyConfigured, NotRegistered

if TYPE_CHECKING:
    from pyqueue.task import Task, TaskSender


class Registry(Mapping[str, "Task[Any, Any]"]):
    """Name → task. One name, one function. Shared tasks are taken in as they appear.

    The tasks of pyqueue itself are found, and not listed.
    """

    def __init__(self, sender: TaskSender) -> None:
        self._sender = sender
        self._own: dict[str, Task[Any, Any]] | None = None
        self._tasks: dict[str, Task[Any, Any]] = {}
        self._given: dict[str, frozenset[str]] = {}
        self._adopted = 0

    def add(self, task: Task[Any, Any], given: frozenset[str] = frozenset()) -> None:
        """Registers a task. Raises ImproperlyConfigured if another function has its name.

        ``given`` names the options that were written down; the others follow the app's settings.
        """
        known = self._tasks.get(task.name)
        if known is not None and known.source != task.source:
            raise ImproperlyConfigured(
                f"two functions are named {task.name}: {known.source} and {task.source}; "
                f"give one of them another name with @app.task(name=…)"
            )
        self._tasks[task.name] = task
        self._given[task.name] = given

    def given(self, name: str) -> frozenset[str]:
        """The options that were written down for a task."""
        return self._given.get(name, frozenset())

    def _all(self) -> dict[str, Task[Any, Any]]:
        if self._adopted < len(shared.declared):
            # Two threads may both come here; taking a task in twice changes nothing.
            seen = len(shared.declared)
            for task, given in shared.declared[self._adopted : seen]:
                self.add(task, given)
            self._adopted = seen
        return self._tasks

    def __getitem__(self, name: str) -> Task[Any, Any]:
        task = self.get_task(name)
        if task is None:
            raise NotRegistered(self.missing(name))
        return task

    def get_task(self, name: str) -> Task[Any, Any] | None:
        """The task, or None."""
        task = self._all().get(name)
        if task is None and name.startswith("pyqueue."):
            from pyqueue.own_tasks import own_tasks  # noqa: PLC0415  for those who need them

            self._own = self._own or own_tasks(self._sender)
            task = self._own.get(name)
        return task

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def missing(self, name: str) -> str:
        """That there is no such task, and which are near."""
        import difflib  # noqa: PLC0415

        near = difflib.get_close_matches(name, self._tasks, cutoff=0.5)
        if near:
            return f"no task {name} is registered here; near it are: {', '.join(near)}"
        return (
            f"no task {name} is registered here; there are: {', '.join(sorted(self._tasks)) or 'none at all'}"
        )
