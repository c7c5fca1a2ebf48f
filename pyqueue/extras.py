"""What a call carries beside its arguments: headers, callbacks, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pyqueue.exceptions import DecodeError


class Extras(NamedTuple):
    """Keys of the message beside ``args`` and ``kwargs``; None is not written."""

    headers: dict[str, Any] | None = None
    link: list[dict[str, Any]] | None = None
    """Signatures called with the result."""
    link_error: list[dict[str, Any]] | None = None
    """Signatures called with the failed job's id."""
    root_id: str | None = None
    parent_id: str | None = None
    eta: str | None = None
    expires: str | None = None
    check_back: str | None = None
    """The id of a half message: the job does not run its task, it asks the task's check-back about it."""
    result_expires: float | None = None
    """Seconds for which its success is kept."""
    takes: str | None = None
    """What it takes of the jobs it has waited for: "value" (put before its arguments), "spread" (one argument for each),
    "last" (the last of them alone), "nothing"."""
    group: str | None = None
    """The id of the group it is a member of."""
    chord: str | None = None
    """The task that waits for that group."""

    def shown(self) -> dict[str, Any]:
        """As part of the message."""
        return {name: value for name, value in zip(self._fields, self, strict=True) if value is not None}


FARTHEST: Final = 9e12
"""Seconds: below what 64 bits hold as microseconds."""
NO_EXTRAS: Final = Extras()
TAKES: Final = ("value", "spread", "last", "nothing")


def read_extras(envelope: Mapping[str, Any]) -> Extras:
    """Of a message. Raises DecodeError for one of the wrong kind."""
    given = {name: envelope[name] for name in Extras._fields if envelope.get(name) is not None}
    for name, value in given.items():
        if name == "headers":
            fits = isinstance(value, dict)
        elif name.startswith("link"):
            fits = isinstance(value, list) and all(isinstance(each, dict) for each in value)
        elif name == "result_expires":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < FARTHEST
        elif name == "takes":
            fits = value in TAKES
        else:
            fits = isinstance(value, str)
        if not fits:
            raise DecodeError(f"the {name!r} of a call can't be {value!r:.80}")
    return Extras(**given) if given else NO_EXTRAS
