"""Generators that yield generators, run one within the other without recursion: a canvas may have a thousand levels."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any


def unwound(first: Generator[Any, Any, Any]) -> Any:
    """What it returns. Each generator that one yields is run to its end, and what that returns is sent back."""
    stack = [first]
    value: Any = None
    while stack:
        try:
            inner = stack[-1].send(value)
        except StopIteration as ended:
            stack.pop()
            value = ended.value
        else:
            stack.append(inner)
            value = None
    return value
