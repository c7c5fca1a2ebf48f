"""What a check-back answers."""

from __future__ import annotations

from enum import Enum


class Check(Enum):
    """What has become of the work that a half message belongs to."""

    COMMIT = "commit"
    """It was done: the job may start."""
    ROLLBACK = "rollback"
    """It was not done and never will be: the job is cancelled."""
    UNKNOWN = "unknown"
    """It may still be under way: asked again later."""
