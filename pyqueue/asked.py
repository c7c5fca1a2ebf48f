"""What a running task may ask: whether it is still wanted."""

from __future__ import annotations

from pyqueue import request


class Asked:
    """For a task with ``bind=True``; both are False where no worker runs it."""

    def is_aborted(self) -> bool:
        """Whether the running job was revoked with ``terminate=True``: it should clean up and return or raise."""
        return request.attempt_of(self).told()[0]

    @property
    def shutting_down(self) -> bool:
        """Whether the running job should come to its end: its worker stops, or its child is being replaced."""
        return request.attempt_of(self).told()[1]
