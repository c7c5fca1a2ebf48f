"""What a task says of itself while it runs."""

from __future__ import annotations

import math
from typing import Any

from pyqueue import request
from pyqueue.states import READY_STATES, RETRY


class Telling:
    """What a task can call in its function, by ``self``."""

    request: Any

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None) -> None:
        """Shows a state of one's own, with ``meta`` as its info, while the job runs.

        Does nothing where no job is behind the call. Raises ValueError for a state that says the job has ended
        (return or raise instead) and for another job's id, LeaseLost if the job is not ours any more.
        """
        context = self.request
        if task_id not in (None, context.id):
            raise ValueError(f"only the running job's state can be set, and that is {context.id}")
        if state in READY_STATES or state == RETRY:
            raise ValueError(f"{state} is no state of a running job; return, raise or retry instead")
        if context.report is not None:
            context.report(state or "PROGRESS", meta)

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Shows how far the job is: its state is PROGRESS, its info a dict with ``done``, ``total`` and ``message``.

        May be called as often as one likes: the newest is written within 0.2 s, by another thread. Does nothing where
        no job is behind the call. Raises TypeError or ValueError for what is no number.
        """
        for name, number in (("done", done), ("total", total)):
            if number is None and name == "total":
                continue
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise TypeError(f"{name} is a number, not {number!r:.80}")
            if not math.isfinite(number):
                raise ValueError(f"{name} is a finite number, not {number}")
        meta: dict[str, Any] = {"done": done, "total": total}
        if message is not None:
            meta["message"] = str(message)
        request.attempt_of(self).progress(meta)
