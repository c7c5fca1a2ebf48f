"""Celery's signals: functions that are called when something happens in this process.

    @task_failure.connect
    def tell(sender, task_id, exception, **_):
        ...

A signal that nobody is connected to costs one test of a tuple, ``connected``. Receivers are kept until they are disconnected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


class _Connected(NamedTuple):
    key: Any
    sender: Any
    receiver: Callable[..., Any]


class Signal:
    """One thing that happens. True if somebody is connected."""

    __slots__ = ("connected", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        # Replaced and never changed, so that another thread may be walking through it.
        self.connected: tuple[_Connected, ...] = ()

    def connect(
        self,
        receiver: Receiver | None = None,
        *,
        sender: Any = None,
        weak: bool = False,  # noqa: ARG002  Celery's
        dispatch_uid: Any = None,
    ) -> Any:
        """Calls ``receiver(signal=, sender=, …)`` from now on, for one sender or for all. Also a decorator.

        Connecting the same receiver (or ``dispatch_uid``) twice is connecting it once. ``weak`` has no effect.
        """
        if receiver is None:
            return lambda each: self.connect(each, sender=sender, dispatch_uid=dispatch_uid)
        if not callable(receiver):
            raise TypeError(f"{self.name}.connect takes a function, not {receiver!r}")
        key = dispatch_uid if dispatch_uid is not None else receiver
        if not any(each.key == key and each.sender is sender for each in self.connected):
            self.connected = (*self.connected, _Connected(key, sender, receiver))
        return receiver

    def disconnect(
        self,
        receiver: Callable[..., Any] | None = None,
        *,
        sender: Any = None,
        dispatch_uid: Any = None,
    ) -> bool:
        """Ends a connection; False if there was none."""
        key = dispatch_uid if dispatch_uid is not None else receiver
        left = tuple(each for each in self.connected if not (each.key == key and each.sender is sender))
        found = len(left) < len(self.connected)
        self.connected = left
        return found

    def send(self, sender: Any, **told: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Calls the receivers in the order they were connected; each with what it returned or raised.

        What a receiver raises is logged and harms nothing.
        """
        answers: list[tuple[Callable[..., Any], Any]] = []
        for each in self.connected:
            if each.sender is None or each.sender is sender or each.sender == sender:
                answers.append((each.receiver, self._called(each.receiver, sender, told)))
        return answers

    def _called(self, receiver: Callable[..., Any], sender: Any, told: dict[str, Any]) -> Any:
        try:
            return receiver(signal=self, sender=sender, **told)
        # Not KeyboardInterrupt, which is the user's and not the receiver's.
        except (Exception, SystemExit) as error:
            import logging  # noqa: PLC0415

            logging.getLogger("pyqueue.signals").exception("a receiver of %s raised", self.name)
            return error

    def __bool__(self) -> bool:
        return bool(self.connected)

    def __repr__(self) -> str:
        return f"<Signal: {self.name}>"


before_task_publish: Final = Signal("before_task_publish")
"""sender: the task's name. body (args, kwargs), headers, properties, routing_key, exchange, declare, retry_policy."""
after_task_publish: Final = Signal("after_task_publish")
"""sender: the task's name. body, headers (with the job's id), exchange, routing_key."""
task_received: Final = Signal("task_received")
"""sender: the task. request. In the child that is about to run it."""
task_prerun: Final = Signal("task_prerun")
"""sender: the task. task_id, task, args, kwargs."""
task_postrun: Final = Signal("task_postrun")
"""sender: the task. task_id, task, args, kwargs, retval, state."""
task_success: Final = Signal("task_success")
"""sender: the task. result."""
task_failure: Final = Signal("task_failure")
"""sender: the task. task_id, exception, args, kwargs, traceback, einfo."""
task_retry: Final = Signal("task_retry")
"""sender: the task. request, reason, einfo."""
task_revoked: Final = Signal("task_revoked")
"""sender: None. request (only its id is set), terminated, signum, expired. In the process that revokes."""
worker_init: Final = Signal("worker_init")
"""sender: the worker's name. Before logging is set up."""
worker_ready: Final = Signal("worker_ready")
"""sender: the worker's name. Its children are waiting for jobs."""
worker_shutting_down: Final = Signal("worker_shutting_down")
"""sender: the worker's name. sig, how ("Warm" or "Cold"), exitcode."""
worker_shutdown: Final = Signal("worker_shutdown")
"""sender: the worker's name. All has ended."""
worker_process_init: Final = Signal("worker_process_init")
"""In each child, before its first job."""
worker_process_shutdown: Final = Signal("worker_process_shutdown")
"""pid, exitcode. In each child that ends by itself; a killed one says nothing."""
setup_logging: Final = Signal("setup_logging")
"""loglevel, logfile, format, colorize. Whoever is connected sets up logging instead of the worker."""
