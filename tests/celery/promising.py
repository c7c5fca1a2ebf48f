"""A promise: what is done, and what Celery and pyqueue are expected to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engines import Engine


class Promise(NamedTuple):
    text: str
    """What is done, as the table says it."""
    observe: Callable[[Engine], Any]
    celery: Any
    pyqueue: Any
    why: str
    """Why they differ."""


PROMISES: list[Promise] = []


def same(text: str, answer: Any) -> Callable[[Callable[[Engine], Any]], Callable[[Engine], Any]]:
    """Both answer the same."""
    return differs(text, answer, answer, "")


def differs(
    text: str, celery: Any, pyqueue: Any, why: str
) -> Callable[[Callable[[Engine], Any]], Callable[[Engine], Any]]:
    """They answer differently, and why."""

    def register(observe: Callable[[Engine], Any]) -> Callable[[Engine], Any]:
        PROMISES.append(Promise(text, observe, celery, pyqueue, why))
        return observe

    return register
