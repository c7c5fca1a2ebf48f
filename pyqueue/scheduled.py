"""The part of an app that is about schedules: those that its code has, and those in its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pyqueue.configured import Configured
from pyqueue.exceptions import InvalidSchedule
from pyqueue.signals import Signal

if TYPE_CHECKING:
    from pyqueue.app import PyQueue
    from pyqueue.periodic import Periodic
    from pyqueue.scheduling import AppSchedules
    from pyqueue.task import Task


class Scheduled(Configured):
    """``beat_schedule``, ``add_periodic_task``, ``periodic_task``, and ``schedules``."""

    def __init__(self, constructor: Mapping[str, Any]) -> None:
        super().__init__(constructor)
        self._periodic: dict[str, Mapping[str, Any]] = {}
        self.on_configure = Signal("on_configure")
        """As ``on_after_finalize``."""
        self.on_after_configure = Signal("on_after_configure")
        """As ``on_after_finalize``."""
        self.on_after_finalize = Signal("on_after_finalize")
        """sender: the app. When a worker or ``pyqueue beat`` has loaded it: the place for ``add_periodic_task``."""

    def finalize(self, auto: bool = False) -> None:
        """Imports what ``include``, ``imports`` and ``autodiscover_tasks`` name. A worker does it at its start."""
        super().finalize(auto)
        for each in (self.on_configure, self.on_after_configure, self.on_after_finalize):
            each.send(self)

    @property
    def schedules(self) -> AppSchedules:
        """The schedules in the file, to be looked at and changed while everything runs."""
        from pyqueue.scheduling import AppSchedules  # noqa: PLC0415  for those who use it

        return AppSchedules(cast("PyQueue", self))

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> str:
        """Adds a schedule to those that the app's code has; its name. A worker takes them over at its start.

        ``schedule`` is ``crontab(…)``, seconds or a timedelta; ``sig`` a signature, a task or its name. Beside the
        options of ``apply_async`` there are ``zone``, ``catch_up``, ``overlap``, ``jitter``, ``until`` and ``deadline``.
        """
        from pyqueue.scheduling import RULES  # noqa: PLC0415  as above

        name = name or repr(sig)
        rules: dict[str, Any] = {key: options.pop(key) for key in (*RULES, "relative") if key in options}
        entry: dict[str, Any] = {
            "schedule": schedule,
            "task": sig,
            "args": args,
            "kwargs": kwargs,
            "options": options,
            **rules,
        }
        known = self._periodic.setdefault(name, entry)
        if known is not entry and known != entry:
            raise InvalidSchedule(f"two schedules are named {name}: give one of them another with name=")
        return name

    def periodic_task(self, schedule: Any, *, name: str | None = None, **options: Any) -> Callable[..., Any]:
        """Makes a task of a function, if it is none, and runs it by a schedule: ``@app.periodic_task(crontab(hour=7))``.

        ``options`` as for ``add_periodic_task``. The schedule has the task's name.
        """

        def add(given: Any) -> Task[..., Any]:
            app = cast("PyQueue", self)
            task: Task[..., Any] = given if hasattr(given, "apply_async") else app.task(given)
            self.add_periodic_task(schedule, task, name=name or task.name, **options)
            return task

        return add

    def periodic_entries(self) -> list[Periodic]:
        """Every schedule that the app's code and settings have. Raises InvalidSchedule for one that can't be had."""
        from pyqueue.scheduling import periodic_of  # noqa: PLC0415  as above

        table = self.conf.beat_schedule or {}
        if not isinstance(table, Mapping) or not all(isinstance(each, Mapping) for each in table.values()):
            raise InvalidSchedule("beat_schedule is a table: {'name': {'task': …, 'schedule': …}}")
        twice = sorted(set(table) & set(self._periodic))
        if twice:
            raise InvalidSchedule(
                f"schedule {twice[0]} stands in beat_schedule and in the code: leave one of them out"
            )
        return [
            periodic_of(cast("PyQueue", self), str(name), entry)
            for name, entry in {**table, **self._periodic}.items()
        ]
