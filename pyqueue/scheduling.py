"""``app.schedules``: the schedules in the file, and what may be done with them while everything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn
from uuid import uuid4

from pyqueue import publishing, request, signals
from pyqueue._core import NewJob, Schedule, Schedules, Store
from pyqueue.exceptions import InvalidSchedule
from pyqueue.message import new_job
from pyqueue.moments import instant_us, shown
from pyqueue.periodic import Periodic, refuse_unwritable, rules_of, when_of
from pyqueue.result import AsyncResult
from pyqueue.schedules import BaseSchedule
from pyqueue.signature import Signature
from pyqueue.wall_times import instant

if TYPE_CHECKING:
    from pyqueue.app import PyQueue

RULES: Final = ("zone", "catch_up", "overlap", "jitter", "until", "deadline")


class Shown(NamedTuple):
    """A schedule as the file has it. Times are datetimes in UTC."""

    name: str
    schedule: BaseSchedule
    task: str
    next: datetime | None
    last: datetime | None
    paused: bool
    fired: int
    """How many jobs it made at its times."""
    skipped: int
    """How many of its times were left out."""
    source: str | None
    """The program whose code it stands in; None for one made at run time."""
    job: str | None
    """The id of its last job."""


class AppSchedules:
    """The schedules in the app's file: ``for each in app.schedules``."""

    def __init__(self, app: PyQueue) -> None:
        self._app = app

    @property
    def rows(self) -> Schedules:
        """The core's view of them."""
        return Schedules(self._app.store)

    def __iter__(self) -> Iterator[Shown]:
        return (_shown(row) for row in self.rows.all())

    def get(self, name: str) -> Shown | None:
        """One of them."""
        row = self.rows.get(name)
        return None if row is None or row.gone else _shown(row)

    def add(
        self,
        name: str,
        schedule: Any,
        task: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        relative: bool = False,
        options: Mapping[str, Any] | None = None,
        **rules: Any,
    ) -> Shown:
        """Makes a schedule, or changes the one of that name: from now on, in every worker.

        ``task`` is a task, its name or a signature; ``options`` are those of ``apply_async``. ``rules`` are ``zone``,
        ``catch_up``, ``overlap``, ``jitter``, ``until`` and ``deadline``. One that stands in code stays changed until the
        code says something new. Raises InvalidSchedule.
        """
        if (loaded := request.being_loaded()) is not None:
            raise InvalidSchedule(
                f"{loaded} adds a schedule to the file while a worker is loading it, as every child would: use "
                f"app.add_periodic_task, or put that code under  if __name__ == '__main__':"
            )
        entry = {"schedule": schedule, "task": task, "args": args, "kwargs": kwargs, "options": options}
        periodic = periodic_of(self._app, name, {**entry, "relative": relative, **rules})
        rows = self.rows
        while True:
            row = rows.get(name)
            seen = None if row is None else row.last_us
            begun, following = begin(periodic, seen, self._app.store.now_us())
            if rows.put(name, begun.encoded(), following, seen):
                break
        return self.get(name) or _missing(name)

    def remove(self, name: str) -> bool:
        """Ends a schedule; its jobs stay. False if there is none. One of code comes back once the code changes."""
        return self.rows.remove(name)

    def pause(self, name: str) -> bool:
        """Lets its times pass without a job, until ``resume``. False if there is none."""
        return self.rows.pause(name)

    def resume(self, name: str) -> bool:
        """Lets it go on with its next time; those that have passed are not made up for. False if there is none."""
        return resume(self._app.store, name)

    def run(self, name: str) -> AsyncResult[Any]:
        """Makes a job of it now, beside its times. Raises InvalidSchedule if there is none."""
        return AsyncResult(run(self._app, name), self._app.store)

    def times(self, name: str, start: datetime, end: datetime) -> list[datetime]:
        """Its times from ``start`` on and before ``end``, in UTC. Raises InvalidSchedule if there is none."""
        row = self.rows.get(name)
        if row is None or row.gone:
            _missing(name)
        return list(times(Periodic.decoded(name, row.definition), instant_us(start), instant_us(end)))


def _missing(name: str) -> NoReturn:
    raise InvalidSchedule(f"there is no schedule {name!r:.80} in the file; pyqueue schedule list shows all")


def _shown(row: Schedule) -> Shown:
    periodic = Periodic.decoded(row.name, row.definition)
    return Shown(
        row.name,
        periodic.when,
        periodic.task,
        None if row.next_us is None else instant(row.next_us),
        None if row.last_us is None else instant(row.last_us),
        row.paused,
        row.fired,
        row.skipped,
        row.source,
        row.job,
    )


def resume(store: Store, name: str) -> bool:
    """Lets a schedule go on with the first time from now on; False if there is none."""
    rows = Schedules(store)
    while True:
        row = rows.get(name)
        if row is None or row.gone:
            return False
        if not row.paused:
            return True
        after = max(store.now_us(), row.last_us or 0)
        following = Periodic.decoded(name, row.definition).next_after(after)
        if rows.resume(name, following, row.last_us):
            return True


def run(app: PyQueue, name: str) -> str:
    """Makes a job of a schedule now; its id. Raises InvalidSchedule if there is none."""
    rows = Schedules(app.store)
    row = rows.get(name)
    if row is None or row.gone:
        _missing(name)
    job = job_of(app, Periodic.decoded(name, row.definition), app.store.now_us())
    return rows.run(name, job) or _missing(name)


def times(periodic: Periodic, start_us: int, end_us: int) -> Iterator[datetime]:
    """Its times from one instant on and before another, in UTC."""
    time = periodic.after_us(start_us - 1)
    while time is not None and time < end_us:
        yield instant(time)
        time = periodic.after_us(time)


def begin(periodic: Periodic, seen_us: int | None, now_us: int) -> tuple[Periodic, tuple[int, int] | None]:
    """A schedule as it comes into the file, with its next time: after now, and after any that was fired."""
    periodic = periodic._replace(begun_us=now_us if seen_us is None else seen_us)
    return periodic, periodic.next_after(max(now_us, seen_us or 0))


def periodic_of(app: PyQueue, name: str, entry: Mapping[str, Any]) -> Periodic:
    """A schedule of Celery's form: schedule, task, args, kwargs, options, relative, and ``RULES``. Raises InvalidSchedule."""
    known = ("schedule", "task", "args", "kwargs", "options", "relative", *RULES)
    unknown = [key for key in entry if key not in known]
    if unknown:
        raise InvalidSchedule(f"schedule {name} has {unknown[0]!r:.80}; there are: {', '.join(known)}")
    for key in ("schedule", "task"):
        if entry.get(key) is None:
            raise InvalidSchedule(f"schedule {name} lacks {key!r}")
    when = when_of(name, entry["schedule"], bool(entry.get("relative")))
    given = entry["task"]
    task = given if isinstance(given, str) else getattr(given, "task", None) or getattr(given, "name", None)
    if not isinstance(task, str):
        raise InvalidSchedule(
            f"the task of schedule {name} is a task, its name or a signature, not {given!r:.80}"
        )
    if isinstance(given, Signature) and type(given) is not Signature:
        raise InvalidSchedule(
            f"schedule {name} runs one task, not a {given.subtask_type or 'call of many'}: make a task that sends that"
        )
    signature: Signature[Any] = given if isinstance(given, Signature) else Signature(task)
    try:
        signature = Signature(task, signature.args, signature.kwargs, signature.options).clone(
            entry.get("args") or (), entry.get("kwargs") or {}, **(entry.get("options") or {})
        )
        app.refuse_misfit(signature)
        options = app.options_of(signature)
    except (TypeError, ValueError) as error:
        raise InvalidSchedule(f"schedule {name}: {error}") from None
    for key in ("eta", "task_id"):
        if getattr(options, key) is not None:
            raise InvalidSchedule(
                f"schedule {name} can't have {key}, which would be the same for all of its jobs"
            )
    rules = rules_of(
        name, {"deadline": app.conf.beat_cron_starting_deadline, **entry}, when.zone or zone_of(app)
    )
    periodic = Periodic(name, when, task, signature.args, signature.kwargs, options, rules, 0)
    refuse_unwritable(periodic)
    _job_of(app, periodic, 0)
    return periodic


def zone_of(app: PyQueue) -> str:
    """The name of the app's time zone. Raises InvalidSchedule for one that has none."""
    zone = app.conf.timezone or "UTC"
    name = (
        zone
        if isinstance(zone, str)
        else getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    )
    return str(name)


def job_of(app: PyQueue, periodic: Periodic, time_us: int) -> NewJob:
    """The job of one of its times."""
    if signals.before_task_publish:
        publishing.before(_signature(periodic), periodic.options)
    return _job_of(app, periodic, time_us)


def _signature(periodic: Periodic) -> Signature[Any]:
    return Signature(periodic.task, periodic.args, periodic.kwargs)


def _job_of(app: PyQueue, periodic: Periodic, time_us: int) -> NewJob:
    told = {"periodic_task_name": periodic.name, "scheduled_for": shown(time_us)}
    options = periodic.options._replace(headers={**(periodic.options.headers or {}), **told})
    errback = None
    if options.link_error is not None:
        options = options._replace(task_id=str(uuid4()))
        errback = partial(app.errback_of, str(options.task_id))
    return new_job(_signature(periodic), options, app.store.now_us, app.max_body, errback)
