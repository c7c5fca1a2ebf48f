"""``app.control``: commands to workers, in Celery's shape. Each is a row of the file, with whom it is for, who gave it, and
what each worker has said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pyqueue._core import Commands
from pyqueue.addressing import chosen
from pyqueue.answers import Answers, Callback, gather, hand_over, warn
from pyqueue.author import whoami
from pyqueue.exceptions import InvalidCommand, QueueError
from pyqueue.moments import length_us
from pyqueue.orders import refuse_misfit, unknown
from pyqueue.serialization import encode_result
from pyqueue.wall_times import instant

if TYPE_CHECKING:
    from pyqueue._core import Command
    from pyqueue.app import PyQueue
    from pyqueue.inspecting import Inspect
    from pyqueue.orders import Order

EXPIRES: Final = 60.0
"""Seconds after which a worker that has not begun to obey a command won't, unless the caller says otherwise."""


class Control:
    """Commands to the workers of an app's file."""

    def __init__(self, app: PyQueue) -> None:
        self.app = app

    def inspect(
        self, destination: str | Sequence[str] | None = None, timeout: float = 1.0, **options: Any
    ) -> Inspect:
        """What the workers do, from the file and the kernel: ``app.control.inspect().active()``. Nobody is asked."""
        from pyqueue.inspecting import Inspect  # noqa: PLC0415  for those who look

        return Inspect(destination, timeout, app=self.app, **options)

    def broadcast(  # noqa: PLR0917  Celery's signature
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: str | Sequence[str] | None = None,
        connection: object = None,  # noqa: ARG002
        reply: bool = False,
        timeout: float | None = 1.0,
        limit: int | None = None,
        callback: Callback | None = None,
        channel: object = None,  # noqa: ARG002
        pattern: str | None = None,
        matcher: str | None = None,
        *,
        expires: float | timedelta = EXPIRES,
        author: str | None = None,
        **extra: Any,
    ) -> Answers | None:
        """Gives a command to every worker that is there, or to those of ``destination`` (names), or whose name fits
        ``pattern`` (as of files; with ``matcher`` "pcre" a regular expression).

        With ``reply`` the answers of those that give one within ``timeout`` seconds (None: before it expires), ``limit`` of them at most; ``callback`` gets each
        as it comes. Nobody begins to obey it later than ``expires`` seconds from now. ``connection`` and ``channel`` have no
        effect. Raises InvalidCommand, and NoSuchWorker where somebody is named who is not there: then nothing is stored.
        """
        order = self.app.orders.get(command)
        if order is None:
            raise unknown(command, self.app.orders)
        found = order.checked({**(arguments or {}), **extra})
        if order.function is None:
            refuse_misfit(command, found)
        body = encode_result(found, f"the arguments of {command}")
        expires_us = length_us(expires, "expires")
        if expires_us <= 0:
            raise InvalidCommand("a command expires after more than 0 seconds")
        # What waits for answers must not fail behind the command.
        timeout = None if timeout in (None, math.inf) else length_us(timeout, "timeout") / 1e6
        commands = Commands(self.app.store)
        workers, target = chosen(commands.workers(), destination, pattern, matcher, self.app.path)
        author = author or whoami()
        if len(author) > 255:
            raise InvalidCommand(f"an author has at most 255 characters, not {len(author)}")
        if order.alone:
            answers = self._alone(
                commands, order, found, body, target="the file" if target == "all" else target, author=author
            )
            hand_over(answers, callback)
            return answers if reply else None
        given = commands.give(
            command, body, workers, target=target, author=author, expires_us=expires_us, asks=order.asks
        )
        if given is None:
            return Answers() if reply else None
        if not reply:
            return None
        answers = Answers(command=given[0])
        answers.expires = instant(given[1])
        gather(commands, answers, timeout, limit, callback)
        warn(answers, command, timeout)
        return answers

    def _alone(
        self,
        commands: Commands,
        order: Order,
        found: dict[str, Any],
        body: bytes,
        *,
        target: str,
        author: str,
    ) -> Answers:
        from pyqueue.file_orders import FILE_ORDERS  # noqa: PLC0415  it needs results

        def recorded(ok: bool, value: Any) -> int:
            said = encode_result(value, "an answer")
            return commands.record(order.name, body, ok, said, target=target, author=author)

        try:
            value = FILE_ORDERS[order.name](self.app, **found)
        except InvalidCommand:
            raise
        except Exception as error:
            # Some of it may be done.
            recorded(False, {"error": str(error)})
            raise
        id = recorded("error" not in value, value)
        return Answers([{author: value}], id)

    def ping(
        self, destination: str | Sequence[str] | None = None, timeout: float = 1.0, **options: Any
    ) -> Answers:
        """``[{worker: {"ok": "pong"}}, …]`` of those that answer; ``.silent`` and ``.gone`` name the others."""
        return (
            self.broadcast("ping", destination=destination, reply=True, timeout=timeout, **options)
            or Answers()
        )

    def revoke(
        self,
        task_id: str | Sequence[str] = (),
        destination: str | Sequence[str] | None = None,
        terminate: bool = False,
        signal: str | int = "SIGTERM",
        *,
        task: str | None = None,
        **options: Any,
    ) -> Answers | None:
        """Cancels jobs, whether a worker runs or not; with ``terminate`` also those that run, as ``AsyncResult.revoke``.

        With ``task``, a name or a pattern with ``*``, ``?`` and ``[…]``, all jobs of it that are there now.
        """
        ids = [task_id] if isinstance(task_id, str) else [str(each) for each in task_id]
        arguments = {"task_id": ids, "terminate": terminate, "signal": _named(signal), "task": task}
        return self.broadcast("revoke", arguments, destination, **options)

    def terminate(
        self,
        task_id: str | Sequence[str],
        destination: str | Sequence[str] | None = None,
        signal: str | int = "SIGTERM",
        **options: Any,
    ) -> Answers | None:
        """``revoke`` with ``terminate=True``."""
        return self.revoke(task_id, destination, terminate=True, signal=signal, **options)

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: str | Sequence[str] | None = None,
        terminate: bool = False,
        signal: str | int = "SIGTERM",
        **options: Any,
    ) -> Answers | None:
        """Cancels the jobs of which a header has one of these values. Looks at every job in line that has not ended."""
        arguments = {"headers": headers, "terminate": terminate, "signal": _named(signal)}
        return self.broadcast("revoke_by_stamped_headers", arguments, destination, **options)

    def rate_limit(
        self,
        task_name: str,
        rate_limit: float | str,
        destination: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Answers | None:
        """Lets only so many jobs of a task begin ("10/m", or a number: each second), over all workers; 0 is any number."""
        arguments = {"task_name": task_name, "rate_limit": str(rate_limit or 0)}
        return self.broadcast("rate_limit", arguments, destination, **options)

    def enable_events(self, destination: str | Sequence[str] | None = None, **options: Any) -> Answers | None:
        """Lets everything that happens be written until ``disable_events``, whether somebody follows or not."""
        return self.broadcast("enable_events", {}, destination, **options)

    def disable_events(
        self, destination: str | Sequence[str] | None = None, **options: Any
    ) -> Answers | None:
        """Lets it be written only while somebody follows."""
        return self.broadcast("disable_events", {}, destination, **options)

    def time_limit(
        self,
        task_name: str,
        soft: float | None = None,
        hard: float | None = None,
        destination: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Answers | None:
        """Jobs of a task that begin from now on run with these time limits (seconds), whatever they say themselves."""
        arguments = {"task_name": task_name, "soft": soft, "hard": hard}
        return self.broadcast("time_limit", arguments, destination, **options)

    def pool_grow(
        self, n: int = 1, destination: str | Sequence[str] | None = None, **options: Any
    ) -> Answers | None:
        """Starts ``n`` children more in each worker."""
        return self.broadcast("pool_grow", {"n": n}, destination, **options)

    def pool_shrink(
        self, n: int = 1, destination: str | Sequence[str] | None = None, **options: Any
    ) -> Answers | None:
        """Lets ``n`` children of each worker go; those that run jobs end them first."""
        return self.broadcast("pool_shrink", {"n": n}, destination, **options)

    def pool_restart(
        self,
        modules: Sequence[str] | None = None,
        reload: bool = False,
        reloader: object = None,
        destination: str | Sequence[str] | None = None,
        **options: Any,
    ) -> Answers | None:
        """Replaces the children by new ones, which load all of the app anew. ``reloader`` can't be had."""
        if reloader is not None:
            raise InvalidCommand("a reloader can't be had: new children load all code anew")
        arguments = {"modules": None if modules is None else list(modules), "reload": reload}
        return self.broadcast("pool_restart", arguments, destination, **options)

    def autoscale(
        self, max: int, min: int, destination: str | Sequence[str] | None = None, **options: Any
    ) -> Answers | None:
        """Other bounds for the workers that were started with ``--autoscale``."""
        return self.broadcast("autoscale", {"max": max, "min": min}, destination, **options)

    def add_consumer(  # noqa: PLR0917  Celery's signature
        self,
        queue: str,
        exchange: str | None = None,  # noqa: ARG002
        exchange_type: str = "direct",  # noqa: ARG002
        routing_key: str | None = None,  # noqa: ARG002
        options: Mapping[str, Any] | None = None,  # noqa: ARG002
        destination: str | Sequence[str] | None = None,
        **more: Any,
    ) -> Answers | None:
        """Lets workers take jobs of a queue too. There are no exchanges, so what is said of one has no effect."""
        return self.broadcast("add_consumer", {"queue": queue}, destination, **more)

    def cancel_consumer(
        self, queue: str, destination: str | Sequence[str] | None = None, **options: Any
    ) -> Answers | None:
        """Lets workers take no more jobs of a queue."""
        return self.broadcast("cancel_consumer", {"queue": queue}, destination, **options)

    def shutdown(self, destination: str | Sequence[str] | None = None, **options: Any) -> Answers | None:
        """Lets workers end their jobs and stop, as SIGTERM does."""
        return self.broadcast("shutdown", {}, destination, **options)

    def election(self, id: str, topic: str, action: Any = None, connection: object = None) -> None:  # noqa: ARG002
        """Lets exactly one of the workers send ``action``, a signature: as the job of an id that follows from ``topic`` and ``id``."""
        form = None if action is None else action.to_dict() if hasattr(action, "to_dict") else dict(action)
        self.broadcast("election", {"id": id, "topic": topic, "action": form})

    def heartbeat(self, destination: str | Sequence[str] | None = None, **options: Any) -> Answers | None:
        """Nothing is needed for it: the kernel says which worker lives."""
        return self.broadcast("heartbeat", {}, destination, **options)

    def purge(self, connection: object = None) -> int:  # noqa: ARG002
        """Cancels every job that is in line, in all queues; how many. Those that run go on."""
        commands, store = Commands(self.app.store), self.app.store
        # What plain SQL has sent is in line too, and its queue may be known of nothing else. A full disk keeps nobody from
        # emptying it.
        with suppress(QueueError):
            store.fold()
        done = sum(store.purge(queue.name) for queue in store.queues())
        said = encode_result({"ok": done}, "an answer")
        nothing = encode_result({}, "the arguments")
        commands.record("purge", nothing, True, said, target="all queues", author=whoami())
        return done

    discard_all = purge

    def history(self, limit: int = 50, *, asking: bool = False) -> list[Command]:
        """The newest commands with their answers; those that only ask if ``asking``."""
        return Commands(self.app.store).newest(limit, asking=asking)


def _named(signal: str | int) -> str:
    from pyqueue.states import signal_number  # noqa: PLC0415

    try:
        signal_number(signal)
    except ValueError as error:
        raise InvalidCommand(str(error)) from None
    return str(signal)
