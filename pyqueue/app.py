"""The app: one queue file, its tasks, and everything that sends."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from pyqueue import joining, publishing, request, shared, signals
from pyqueue._core import NewJob, Store
from pyqueue.composer import Composer, is_composed, wrapped
from pyqueue.controlled import Controlled
from pyqueue.message import Pattern, Place, new_job, pattern, usual_job
from pyqueue.middleware import Middleware
from pyqueue.moments import before_us, is_instant
from pyqueue.observed import Observed
from pyqueue.options import CallOptions, merge, task_options
from pyqueue.quick_json import quick_json
from pyqueue.registry import Registry
from pyqueue.result import AsyncResult
from pyqueue.routing import route
from pyqueue.scheduled import Scheduled
from pyqueue.selecting import Selecting
from pyqueue.signature import Signature
from pyqueue.task import Task, make_task

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from typing import Unpack

    from pyqueue.embedded import EmbeddedWorker
    from pyqueue.half import Half
    from pyqueue.options import CallOptionsDict, TaskOptionsDict
    from pyqueue.producer import Producer
    from pyqueue.task import BoundDecorator, CoroutineTask, Decorator

P = ParamSpec("P")
R = TypeVar("R")

_DEFAULTS = CallOptions()


class PyQueue(Composer, Scheduled, Selecting, Controlled, Observed):
    """A task queue in one SQLite file. Makes no file before the first job.

    ``path`` is taken against the current directory; without it the file is ``$PYQUEUE_DB``. ``embed`` allows a
    file that holds the application's own tables. ``durability`` is "full" (an acknowledged job survives power
    loss) or "normal" (it survives the death of any process). ``visibility_timeout`` is how many seconds a
    worker that has stopped answering keeps its jobs. ``max_body`` limits the bytes of a call and of a result,
    ``max_db_bytes`` those the file may hold: beyond that new jobs are refused with ``DiskFull``, and workers go on.
    What is not said here comes from ``conf``, ``PYQUEUE_*`` or pyproject.toml; ``config`` is the outcome.
    """

    strict_typing: bool = True
    """Whether arguments that don't fit a task's function raise TypeError where the call is made."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        embed: bool | None = None,
        durability: Literal["full", "normal"] | None = None,
        visibility_timeout: float | None = None,
        max_body: int | None = None,
        max_db_bytes: int | None = None,
    ) -> None:
        super().__init__(
            {
                "db": None if path is None else os.path.abspath(os.fspath(path)),
                "embed": embed,
                "durability": durability,
                "visibility_timeout": visibility_timeout,
                "max_body": max_body,
                "max_db_bytes": max_db_bytes,
            }
        )
        self._registry = Registry(self)
        self.middleware: list[Middleware] = []
        self._defaults: dict[str, CallOptions] = {}
        self._patterns: dict[str, Pattern | None] = {}
        shared.adopts(self)
        # Now: in the copy of a process that forks while another thread imports it, that import never ends.
        quick_json()

    def _forget(self) -> None:
        super()._forget()
        self._defaults = {}
        self._patterns = {}

    @property
    def tasks(self) -> Registry:
        """The tasks by name, shared ones included."""
        return self._registry

    @property
    def store(self) -> Store:
        """The core's view of the file."""
        if self._sends_to is not None:
            return self._sends_to
        place = self.in_place
        if place is not None:
            return place.store
        if self._store is None:
            known = self.config
            self._store = Store(
                self.path,
                embed=known.embed,
                durability=known.durability,
                max_body=known.max_body,
                max_db_bytes=known.max_db_bytes,
                history_age_us=round(known.result_expires * 1e6),
                history_count=known.history_count,
                failed_age_us=round(known.failure_expires * 1e6),
            )
        self._sends_to = self._store
        return self._store

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, /, *, bind: Literal[True], **options: Unpack[TaskOptionsDict]) -> BoundDecorator: ...
    @overload
    def task(self, /, *, bind: Literal[False] = False, **options: Unpack[TaskOptionsDict]) -> Decorator: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Makes a task of a function: ``@app.task`` or ``@app.task(bind=True, max_retries=5, …)``."""
        task_options(options)

        def register(function: Callable[..., R]) -> Task[..., R]:
            task = make_task(function, options, self)
            self._registry.add(task, task.given)
            self._defaults.pop(task.name, None)
            self._patterns.pop(task.name, None)
            return task

        return register if function is None else register(function)

    def worker(
        self,
        *,
        concurrency: int | None = None,
        queues: Sequence[str] | None = None,
        name: str | None = None,
        grace: float | None = None,
        target: str | None = None,
        pool: str | None = None,
    ) -> EmbeddedWorker:
        """A worker for a ``with`` block, inside of this process: ready on entry, stopped warmly on exit.

        Its children load the app's module, so a script needs ``if __name__ == "__main__":`` around the block.
        ``pool`` is "prefork", "solo" or "threads" (of one child, ``concurrency`` of them).
        ``target`` ("module:app") says where the app is if no module has it as a variable.
        """
        from pyqueue.embedded import EmbeddedWorker  # noqa: PLC0415  a door to the running layer
        from pyqueue.worker.starting import WorkerOptions  # noqa: PLC0415

        return EmbeddedWorker(
            self,
            WorkerOptions(
                concurrency=concurrency,
                queues=None if queues is None else tuple(queues),
                name=name,
                grace=grace,
                target=target,
                pool=pool,
            ),
        )

    def testing(self, propagate: bool = True) -> AbstractContextManager[PyQueue]:
        """For a ``with`` block: jobs run at once, in the caller, on a new temporary file.

        What a task raises is raised by ``delay``, unless ``propagate`` is False.
        """
        from pyqueue.testing import testing  # noqa: PLC0415  a door to the running layer

        return testing(self, propagate)

    def send(self, signature: Signature[R]) -> AsyncResult[R]:
        """Makes the job of a signature, or all jobs of a canvas; the handle."""
        if is_composed(signature):
            return self.send_composed(signature)  # type: ignore[no-any-return]
        self.refuse_misfit(signature)
        return self._sent([signature])[0]

    def enqueue_many(self, signatures: Iterable[Signature[R]]) -> list[AsyncResult[R]]:
        """Makes a job of each signature, all or none, in one transaction; their results in order."""
        several = list(signatures)
        for each in several:
            self.refuse_misfit(each)
        return self._sent(several) if several else []

    def prepare(self, signature: Signature[R], *, timeout: float | timedelta = 60.0) -> Half[R]:
        """Stores a call as a half message: a job that nobody may start before it is committed.

        ``with app.prepare(task.s(…)):`` commits it at the end of the block; an exception rolls it back. If the sender
        has said nothing ``timeout`` seconds from now, the task's ``check_back`` is asked, up to 15 times with pauses
        that double up to an hour. Raises ImproperlyConfigured for a task that has none.
        """
        from pyqueue.half import prepare  # noqa: PLC0415  for those who use it

        self.refuse_misfit(signature)
        return prepare(self, signature, timeout)

    def producer(self, name: str) -> Producer:
        """Opens an idempotent producer, and fences whoever had it: another process can send nothing more under it."""
        from pyqueue.producer import Producer  # noqa: PLC0415  for those who use it

        return Producer(self, name)

    def refuse_misfit(self, signature: Signature[Any], first: tuple[Any, ...] = ()) -> None:
        """Raises the TypeError of a call with arguments that its task doesn't take, as far as that is known here.

        ``first`` stands for what it will take of others.
        """
        # The subclasses hold the arguments of several calls. 0.6 µs a call.
        task = self._registry.get_task(signature.task) if type(signature) is Signature else None
        if task is not None and (self.strict_typing if task.options.typing is None else task.options.typing):
            task.refuse_misfit((*first, *signature.args) if first else signature.args, signature.kwargs)

    def failures(
        self,
        *,
        task: str | None = None,
        queue: str | None = None,
        state: Literal["failed", "dead"] | None = None,
        error: str | None = None,
        since: float | timedelta | datetime | None = None,
        limit: int = 100_000,
    ) -> list[AsyncResult[Any]]:
        """The jobs that failed or are dead, those that ended first before the others.

        ``task`` and ``error`` are patterns with ``*``, ``?`` and ``[…]``; ``error`` of the class, with or without its
        module, or of ``Class: message``. ``since`` is when they ended: a datetime, or seconds or a timedelta ago.
        """
        from pyqueue.replaying import Which, found  # noqa: PLC0415  for those who look

        moment = None if since is None else before_us(since, self.store.now_us)
        jobs = found(self.store, Which(task, queue, state, error, moment), limit).jobs
        return [AsyncResult(job.id, self.store) for job in jobs]

    def replay(self, **which: Any) -> list[AsyncResult[Any]]:
        """Stores each job that ``failures(**which)`` finds once more, as a new job; the handles of these.

        The old ones are kept, and found again; ``forget()`` them if they shall not be.
        """
        old = self.failures(**which)
        new = [self.store.replay(each.id) for each in old]
        made = [id for id in new if id is not None]
        if (place := self.in_place) is not None:
            place.follow(made)
        return [AsyncResult(id, self.store) for id in made]

    def _sent(self, several: list[Signature[R]]) -> list[AsyncResult[R]]:
        jobs = self._jobs_of(several)
        store = self.store
        place = None if self._sends_to is store else self.in_place
        host = joining.host_of(self)
        if place is not None:
            made = place.run(jobs)
        elif host is not None:
            from pyqueue.foreign.letters import send  # noqa: PLC0415  most apps never send so

            made = send(store, host, jobs)
        else:
            made = store.enqueue(jobs)
        request.made([id for id, _ in made])
        if signals.after_task_publish:
            for signature, (id, _) in zip(several, made, strict=True):
                publishing.after(signature, id)
        return [AsyncResult(id, store, created) for id, created in made]

    def _jobs_of(self, several: list[Signature[R]]) -> list[NewJob]:
        # What the calls of a batch share is asked once: a sixth of the instructions of a large one.
        patterns, max_body = self.quick_patterns(), self.max_body
        if patterns is None:
            return [self.job_of(each) for each in several]

        def job_of(each: Signature[R]) -> NewJob:
            like = patterns.get(each.task) if not each.options and type(each) is Signature else None
            return self.job_of(each) if like is None else usual_job(like, each, max_body)

        return [job_of(each) for each in several]

    def quick_patterns(self) -> dict[str, Pattern | None] | None:
        """What calls share that say nothing of their own, by task; None where each has to be looked at."""
        if signals.before_task_publish.connected or not request.outside() or self._sends_to is not self.store:
            return None
        return self._patterns

    def using(self, connection: Any) -> joining.Joined:
        """For a ``with`` block: what is sent in it is stored by ``connection``, in its transaction.

        It is there once that commits, and nothing is left by a rollback. ``connection`` is one of sqlite3, apsw,
        SQLAlchemy (or a Session) or Django (or an alias) to the queue's own file. Raises CannotJoin for any other.
        """
        from pyqueue.foreign.hosts import host_of  # noqa: PLC0415  as in _sent

        return joining.Joined(self, host_of(connection))

    def send_task(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptionsDict],
    ) -> AsyncResult[Any]:
        """Makes a job of a task by its name; the task need not be known here, so its arguments aren't checked."""
        return self._sent([Signature(name, args, kwargs, options)])[0]

    @property
    def current_task(self) -> request.CurrentTask | None:
        """``pyqueue.current_task`` while a task runs here, else None."""
        return request.current_task or None

    def job_of(self, signature: Signature[Any], place: Place | None = None) -> NewJob:
        """The job of a signature, not stored yet; of a canvas one that becomes it. ``place`` is that in a workflow."""
        if is_composed(signature):
            signature = wrapped(signature)
        target = request.being_loaded()
        if target is not None:
            raise RuntimeError(
                f"{target} makes a job while a worker is loading it, as every child would: "
                f"put that code under  if __name__ == '__main__':"
            )
        options = self.options_of(signature)
        errback = None
        if options.link_error is not None:
            if options.task_id is None:
                import uuid  # noqa: PLC0415

                # What follows its failure names it, and is made before the file could give it an id.
                options = options._replace(task_id=str(uuid.uuid4()))
            errback = partial(self.errback_of, str(options.task_id))
        if signals.before_task_publish:
            publishing.before(signature, options)
        if (
            place is not None
            and place.held
            and options.expires is not None
            and not is_instant(options.expires)
        ):
            # A length of time would be counted from here, not from its release.
            options = options._replace(expires=None)
        job = new_job(signature, options, self.store.now_us, self.max_body, errback, place)
        if options is self._defaults.get(signature.task) and signature.task not in self._patterns:
            # Only now: options that can't be had have been told of, as of this call.
            self._patterns[signature.task] = pattern(signature.task, options)
        return job

    def errback_of(self, id: str, signature: Signature[Any]) -> NewJob:
        """The job that follows if the job ``id`` fails with nobody to say so."""
        if is_composed(signature):
            signature = wrapped(signature)
        options = self.options_of(signature)
        if options.expires is not None and not is_instant(options.expires):
            # A length of time would be counted from here, not from the failure.
            options = options._replace(expires=None)
        with request.running(None, request.following(id)):
            return new_job(signature, options, self.store.now_us, self.max_body)

    def options_of(self, signature: Signature[Any]) -> CallOptions:
        """Its own options over the defaults of its task."""
        options = merge(self._defaults_of(signature.task), signature.options)
        store = self.store  # its first use decides where jobs go
        if self._sends_to is not store:
            # In place, where nobody could wait.
            options = options._replace(countdown=None, eta=None, time_limit=None, soft_time_limit=None)
        return options

    def _defaults_of(self, name: str) -> CallOptions:
        """What a call gets where it says nothing: the task's options, then a route, then the app's settings."""
        known = self._defaults.get(name)
        if known is not None:
            return known
        task = self._registry.get_task(name)
        written = self._registry.given(name)
        config = self.config
        settled = {
            "queue": config.default_queue,
            "priority": config.default_priority,
            "ignore_result": config.ignore_result,
            "time_limit": config.time_limit,
            "soft_time_limit": config.soft_time_limit,
            **route(self.conf.task_routes, name),
        }
        defaults = (task.defaults if task is not None else _DEFAULTS)._replace(
            **{option: value for option, value in settled.items() if option not in written}
        )
        # A task that is not known yet may be registered later.
        if task is not None:
            self._defaults[name] = defaults
        return defaults

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._constructor.get('db', 'no file yet')}>"
