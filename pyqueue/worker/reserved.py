"""Slots that only ever run the jobs of one queue: ``-Q mail:2,default``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from pyqueue.exceptions import ImproperlyConfigured

_WITH_SLOTS: Final = re.compile(r"(.+):(\d{1,4})", re.DOTALL)


class Served(NamedTuple):
    """What a worker serves. ``queues`` None is all."""

    queues: tuple[str, ...] | None
    slots: dict[str, int]
    """How many slots a queue has for itself; its jobs may use others too."""

    @property
    def reserved(self) -> int:
        """How many slots are somebody's own."""
        return sum(self.slots.values())

    @property
    def open(self) -> bool:
        """Whether some queue has to do with what is nobody's own."""
        return self.queues is None or set(self.queues) != set(self.slots)

    def described(self, queue: str) -> str:
        """A queue with its slots, for people."""
        own = self.slots.get(queue)
        return queue if own is None else f"{queue} ({own} of its own)"

    def shared(self, concurrency: int) -> int:
        """How many of so many slots are nobody's own. Raises ImproperlyConfigured where none is left."""
        left = concurrency - self.reserved
        if left < 0 or (left == 0 and self.open):
            raise ImproperlyConfigured(
                f"of {concurrency} slots the queues have {self.reserved} for themselves, and none is left for "
                f"others: raise -c or reserve fewer"
            )
        return left


def served(named: Sequence[str] | None) -> Served:
    """Reads "mail:2" as the queue mail with two slots of its own. Raises ImproperlyConfigured."""
    if named is None:
        return Served(None, {})
    slots = {}
    names = []
    for text in named:
        found = _WITH_SLOTS.fullmatch(text)
        name = text if found is None else found[1]
        if name in names:
            raise ImproperlyConfigured(f"the queue {name} is named twice")
        names.append(name)
        if found is not None:
            slots[name] = int(found[2])
            if slots[name] == 0:
                raise ImproperlyConfigured(f"{text} reserves no slot: say {name}, or {name}:1")
    return Served(tuple(names), slots)
