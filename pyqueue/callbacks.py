"""``link`` and ``link_error``: calls that follow a job, kept in it as Celery's signature dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyqueue.exceptions import InvalidJob
from pyqueue.signature import Signature, several

Callback = Signature[Any] | Mapping[str, Any]


def as_dicts(given: Callback | Sequence[Callback] | None) -> list[dict[str, Any]] | None:
    """One signature or several as dictionaries. Raises InvalidJob for what is none."""
    if given is None:
        return None
    return [_as_dict(each) for each in several(given)]


def following(callbacks: Sequence[Mapping[str, Any]] | None, first: Any) -> list[Signature[Any]]:
    """The calls that follow, with ``first`` put before the arguments of those that aren't immutable."""
    return [Signature.from_dict(each).clone((first,)) for each in callbacks or ()]


def _as_dict(given: Callback) -> dict[str, Any]:
    if not isinstance(given, (Signature, Mapping)):
        raise InvalidJob(f"a callback is a signature, such as add.s(1), not {given!r:.80}")
    form = Signature.from_dict(given.to_dict() if isinstance(given, Signature) else given).to_dict()
    options = form["options"]
    for name, value in options.items():
        if name in ("link", "link_error"):
            options[name] = as_dicts(value)
        elif hasattr(value, "total_seconds"):
            options[name] = value.total_seconds()
    return form
