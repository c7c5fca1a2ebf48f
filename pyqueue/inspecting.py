"""``app.control.inspect()``: what workers do and what waits, read from the file, the workers' pages and the kernel.

No worker is asked, so the answer does not depend on who could give one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pyqueue import absent, replies
from pyqueue._core import Inspecting
from pyqueue.addressing import fitting
from pyqueue.exceptions import DecodeError, ImproperlyConfigured, QueueError
from pyqueue.moments import eta_of
from pyqueue.serialization import decode_call
from pyqueue.serving import Serving, serving

if TYPE_CHECKING:
    from pyqueue._core import HeldJob, JobSummary, Store
    from pyqueue.app import PyQueue

IN_FILE: Final = "(file)"
"""The key of what no worker has."""
LIMIT: Final = 200
"""Jobs of one answer, where nobody says how many."""
LARGEST: Final = 1_000_000_000
"""Bytes of a call: what was stored may be shown, whatever the app's own limit."""

_PLACES: Final = {"waiting": "ready", "delayed": "scheduled", "retrying": "ready"}


class Inspect:
    """Celery's ``Inspect``: each method gives ``{worker: answer}``.

    ``destination`` names one worker, whose answer is given alone, or several; ``pattern`` fits names as in a shell
    (``matcher="pcre"``: as a regular expression), ``limit`` is how many workers at most. What no worker has stands under
    ``IN_FILE``. A method about workers gives None where there are none. ``timeout`` and ``connection`` have no effect:
    nobody is waited for. ``callback`` is called with each worker's answer.
    """

    IN_FILE: Final = IN_FILE

    def __init__(  # noqa: PLR0917  as in Celery
        self,
        destination: str | Sequence[str] | None = None,
        timeout: float = 1.0,
        callback: Callable[[dict[str, Any]], object] | None = None,
        connection: object = None,
        app: PyQueue | None = None,
        limit: int | None = None,
        pattern: str | None = None,
        matcher: str | None = None,
    ) -> None:
        if app is None:
            raise ImproperlyConfigured("say whose workers: app.control.inspect(), or Inspect(app=app)")
        self.app = app
        self.destination = destination
        self.timeout = timeout
        self.callback = callback
        self.connection = connection
        self.limit = limit
        self.pattern = pattern
        self.matcher = matcher
        self._fits: Final = fitting(pattern or "", matcher)

    def ping(self, destination: str | Sequence[str] | None = None) -> Any:
        """How each worker is: ``{"ok": "pong", "state": "busy", "busy": 2, "slots": 4}``; state is idle, busy, starting
        or stopping.

        One that could not answer has "error" in place of "ok", and its state is wedged (it is stopped, or its loop has
        not turned for 5 s), dead (and its jobs not taken back yet; "jobs" says how many) or unknown.
        """
        if destination:
            self.destination = destination
        return self._prepare({each.name: replies.pong(each) for each in self._chosen(serving(self._store))})

    def active(self, safe: bool | None = None, *, limit: int = LIMIT) -> Any:
        """The jobs that run: a process that lives has started each. ``safe``: arguments as text. At most ``limit``."""
        return self._held("active", limit, safe)

    def reserved(self, safe: bool | None = None, *, limit: int = LIMIT) -> Any:
        """The jobs that workers have and nobody has started."""
        return self._held("reserved", limit, safe)

    def lost(self, safe: bool | None = None, *, limit: int = LIMIT) -> Any:
        """The jobs of workers and children that have died, until a worker takes them back; not Celery's."""
        return self._held("lost", limit, safe)

    def scheduled(self, safe: bool | None = None, *, limit: int = LIMIT) -> Any:
        """The jobs whose time has not come, ``{"eta", "priority", "request"}`` each, the next ``limit`` of them.

        They belong to no worker, so they are under ``IN_FILE``; each worker has an empty list.
        """
        self._fold()
        found = []
        for job in Inspecting(self._store).scheduled(limit=limit):
            found.append(
                {"eta": eta_of(job.run_at_us), "priority": job.priority, "request": _waiting(job, safe)}
            )
        return self._with_file(found, lambda _: [])

    def registered(self, *taskinfoitems: str) -> Any:
        """The tasks each worker knows, with these options of theirs (default: ``rate_limit``): "add [rate_limit=10/m]"."""
        return self._answered(lambda each: replies.registered(each, taskinfoitems))

    registered_tasks = registered

    def stats(self) -> Any:
        """Each worker's process, pool, children, and how many jobs of each task it has run."""
        look = Inspecting(self._store)
        return self._answered(lambda each: replies.stats(each, look, self._store))

    def revoked(self, *, limit: int = LIMIT) -> Any:
        """The last ``limit`` jobs that were cancelled: those that still run, then those that have ended.

        Every worker goes by the file, so each has the same list.
        """
        found = Inspecting(self._store).revoked(limit=limit)
        return self._with_file(found, lambda _: list(found))

    def query_task(self, *ids: str | Sequence[str]) -> Any:
        """``{worker: {id: [state, info]}}`` of jobs that have not ended.

        With a worker: active, reserved, ending (its outcome is about to be written), lost. Under ``IN_FILE``: ready,
        scheduled, and what ``AsyncResult.queue_state`` says of the others.
        """
        wanted = [text for each in ids for text in ([each] if isinstance(each, str) else each)]
        self._fold()
        workers = serving(self._store)
        name_of = _names(workers)
        found: dict[str, dict[str, list[Any]]] = {IN_FILE: {}}
        found |= {each.name: {} for each in self._chosen(workers) if not each.dead}
        held = {job.id: job for job in Inspecting(self._store).held_of(wanted)}
        for id in wanted:
            if id in held:
                name = name_of.get(held[id].worker, str(held[id].worker))
                if self._wants(name):
                    found.setdefault(name, {})[id] = [held[id].state, _info(held[id], name)]
            elif (job := self._store.show(id)) is not None and job.finished_us is None:
                place = "scheduled" if job.run_at_us is not None else _PLACES.get(job.state, job.state)
                found[IN_FILE][id] = [place, _waiting(job)]
        return self._prepare(found)

    def active_queues(self) -> Any:
        """The queues each worker serves."""
        return self._answered(lambda each: replies.queues(each, self._store))

    def conf(self, with_defaults: bool = False) -> Any:
        """What each worker goes by, as its code and its environment said when it was started; secrets are masked."""
        return self._answered(lambda each: replies.conf(each, with_defaults))

    def report(self) -> Any:
        """What a bug report needs of each worker: ``{"ok": text}``."""
        return self._answered(lambda each: {"ok": replies.report(each)})

    def memsample(self) -> Any:
        """The resident memory of each worker's main process; None where it can't be seen."""
        return self._answered(replies.memory)

    def __getattr__(self, name: str) -> Any:
        instead = absent.INSPECT.get(name)
        raise AttributeError(f"there is no inspect().{name}" + (f": {instead}" if instead else ""))

    def _request(self, command: str, **arguments: Any) -> Any:
        """A command of the user's own (``@inspect_command``), which the workers answer."""
        return self._prepare_replies(
            self.app.control.broadcast(
                command,
                arguments=arguments,
                destination=self.destination,
                pattern=self.pattern,
                matcher=self.matcher,
                limit=self.limit,
                timeout=self.timeout,
                reply=True,
            )
        )

    def _prepare_replies(self, replies: Iterable[Mapping[str, Any]] | None) -> Any:
        return self._prepare({name: reply for each in replies or () for name, reply in each.items()})

    @property
    def _store(self) -> Store:
        return self.app.store

    def _fold(self) -> None:
        # What other programs have sent would be taken up by a worker. A full or damaged file is shown as it is.
        with suppress(QueueError):
            self._store.fold()

    def _held(self, state: str, limit: int, safe: bool | None) -> Any:
        # The jobs before the workers: none is said to be with one that came later.
        jobs = Inspecting(self._store).held(state, limit=limit)
        workers = self._chosen(serving(self._store))
        name_of = _names(workers)
        found: dict[str, list[dict[str, Any]]] = {
            each.name: [] for each in workers if not each.dead or state == "lost"
        }
        for job in jobs:
            name = name_of.get(job.worker)
            if name in found:
                found[name].append(_info(job, name, safe))
        return self._prepare(found)

    def _answered(self, answer: Callable[[Serving], Any]) -> Any:
        return self._prepare(
            {each.name: answer(each) for each in self._chosen(serving(self._store)) if not each.dead}
        )

    def _with_file(self, found: Any, answer: Callable[[Serving], Any]) -> Any:
        workers = self._chosen(serving(self._store))
        others = {each.name: answer(each) for each in workers if not each.dead}
        return self._prepare({IN_FILE: found, **others})

    def _wants(self, name: str) -> bool:
        if self.destination:
            named = [self.destination] if isinstance(self.destination, str) else self.destination
            if name not in named:
                return False
        return not self.pattern or self._fits(name)

    def _chosen(self, workers: Sequence[Serving]) -> list[Serving]:
        return [each for each in workers if self._wants(each.name)][: self.limit]

    def _prepare(self, answers: Mapping[str, Any]) -> Any:
        """One worker's answer, or those of all; None where there is none."""
        if isinstance(self.destination, str):
            answers = {name: each for name, each in answers.items() if name == self.destination}
        elif self.destination or self.pattern:
            answers = {name: each for name, each in answers.items() if self._wants(name)}
        if self.callback is not None:
            for name, each in answers.items():
                self.callback({name: each})
        if isinstance(self.destination, str):
            return answers.get(self.destination)
        return dict(answers) or None


def _names(workers: Iterable[Serving]) -> dict[int, str]:
    return {part.id: each.name for each in workers for part in each.parts}


def _info(job: HeldJob, name: str, safe: bool | None = None) -> dict[str, Any]:
    started = None if job.started_us is None else job.started_us / 1e6
    told = _told(job, name, started, job.pid, safe)
    return {**told, "stopped": True} if job.stopped else told


def _waiting(job: JobSummary, safe: bool | None = None) -> dict[str, Any]:
    return _told(job, None, None, None, safe)


def _told(
    job: HeldJob | JobSummary, name: str | None, started: float | None, pid: int | None, safe: bool | None
) -> dict[str, Any]:
    args, kwargs, problem = _call(job)
    told = {
        "id": job.id,
        "name": job.task,
        "args": repr(args) if safe else args,
        "kwargs": repr(kwargs) if safe else kwargs,
        "type": job.task,
        "hostname": name,
        "time_start": started,
        "acknowledged": False,
        "delivery_info": {
            "exchange": "",
            "routing_key": job.queue,
            "priority": job.priority,
            "redelivered": job.attempts > 0,
        },
        "worker_pid": pid,
    }
    return told if problem is None else {**told, "problem": problem}


def _call(job: HeldJob | JobSummary) -> tuple[Any, Any, str | None]:
    if job.body is None:
        return None, None, "its arguments are not kept"
    try:
        call = decode_call(job.body, job.content_type, LARGEST)
    except DecodeError as error:
        return None, None, str(error)
    return call.args, call.kwargs, None
