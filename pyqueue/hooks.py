"""What a subclass of Task may override, with Celery's names and arguments."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from pyqueue.einfo import ExceptionInfo


class Overridable:
    """Options as attributes, and hooks.

    Hooks are called in the process that runs the task, around each attempt.

    What ``before_start`` raises fails the attempt. What the others raise is logged and changes nothing. They run
    when the outcome is known and before it is written: after a crash in between, the attempt runs again.
    """

    # Without values, since a subclass's own are told from ours by being there.
    max_retries: int | None
    default_retry_delay: float | timedelta
    autoretry_for: Sequence[type[BaseException]]
    dont_autoretry_for: Sequence[type[BaseException]]
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    retry_kwargs: Mapping[str, Any]
    throws: Sequence[type[BaseException]]
    queue: str
    priority: int
    ignore_result: bool
    time_limit: float | timedelta | None
    soft_time_limit: float | timedelta | None
    expires: float | timedelta | datetime | None
    max_losses: int
    acks_late: bool
    reject_on_worker_lost: bool
    track_started: bool
    serializer: str
    rate_limit: str | float | None
    transactional: bool

    @cached_property
    def hooked(self) -> bool:
        """Whether a hook of an attempt that succeeds is overridden: most tasks need not call those."""
        return any(
            getattr(type(self), name) is not getattr(Overridable, name)
            for name in ("before_start", "on_success", "after_return")
        )

    def before_start(self, task_id: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """The attempt begins."""

    def on_success(self, retval: Any, task_id: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """It returned ``retval``."""

    def on_failure(
        self,
        exc: BaseException,
        task_id: str,
        args: list[Any],
        kwargs: dict[str, Any],
        einfo: ExceptionInfo,
    ) -> None:
        """It raised ``exc`` and is not tried again."""

    def on_retry(
        self,
        exc: BaseException,
        task_id: str,
        args: list[Any],
        kwargs: dict[str, Any],
        einfo: ExceptionInfo,
    ) -> None:
        """It is tried again because of ``exc``."""

    def after_return(  # noqa: PLR0917  Celery's
        self,
        status: str,
        retval: Any,
        task_id: str,
        args: list[Any],
        kwargs: dict[str, Any],
        einfo: ExceptionInfo | None,
    ) -> None:
        """It has ended for good: ``status`` is SUCCESS or FAILURE, ``retval`` the result or the exception."""
