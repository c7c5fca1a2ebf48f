"""Celery's state names, and which of the store's states each one covers."""

from __future__ import annotations

from typing import Final

PENDING: Final = "PENDING"
STARTED: Final = "STARTED"
RETRY: Final = "RETRY"
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "FAILURE"
REVOKED: Final = "REVOKED"
UNKNOWN: Final = "UNKNOWN"

READY_STATES: Final = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES: Final = frozenset({PENDING, STARTED, RETRY})
EXCEPTION_STATES: Final = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES: Final = frozenset({FAILURE, REVOKED})

LIVE: Final = ("waiting", "delayed", "parked", "prepared", "held", "running", "retrying")
"""The store's states of jobs that have not ended."""

_SHOWN: Final = {
    "waiting": PENDING,
    "delayed": PENDING,
    "parked": PENDING,
    "prepared": PENDING,
    "held": PENDING,
    "running": STARTED,
    "retrying": RETRY,
    "success": SUCCESS,
    "failed": FAILURE,
    "dead": FAILURE,
    "cancelled": REVOKED,
    "expired": REVOKED,
    "skipped": REVOKED,
    "unknown": UNKNOWN,
}


def shown(stored: str) -> str:
    """Celery's name for a state of the store."""
    return _SHOWN[stored]


def signal_number(named: str | int) -> int:
    """The number of a signal: 15, "TERM" or "SIGTERM". Raises ValueError."""
    import signal  # noqa: PLC0415

    try:
        if isinstance(named, str):
            return signal.Signals[f"SIG{named.upper().removeprefix('SIG')}"].value
        return signal.Signals(named).value
    except (KeyError, ValueError):
        raise ValueError(f"there is no signal {named!r:.80}; name one such as SIGTERM or SIGKILL") from None
