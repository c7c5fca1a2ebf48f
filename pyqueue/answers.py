"""What workers say to a command: waiting for it, and naming those who say nothing."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from pyqueue.exceptions import NoAnswer
from pyqueue.serialization import decode_result

if TYPE_CHECKING:
    from datetime import datetime

    from pyqueue._core import Commands, Reply

LOOK_US: Final = 50_000
"""While answers are awaited, so often it is looked who has died; an answer itself wakes at once."""

Callback = Callable[[dict[str, Any]], object]


class Answers(list[dict[str, Any]]):
    """``[{worker: answer}, …]`` in the order in which they came, and who has said nothing."""

    def __init__(self, answers: Iterable[dict[str, Any]] = (), command: int | None = None) -> None:
        super().__init__(answers)
        self.command = command
        """The number of the command; None where there was nobody to be told."""
        self.silent: tuple[str, ...] = ()
        """Workers that had not answered when the time was over. They may still obey, until ``expires``."""
        self.gone: tuple[str, ...] = ()
        """Workers that died or stopped before they answered."""
        self.expires: datetime | None = None
        """When the command expires."""


def gather(
    commands: Commands, answers: Answers, timeout: float | None, limit: int | None, callback: Callback | None
) -> None:
    """Waits for answers, until all have come that may, ``limit`` of them, or the time is over."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    heard: set[int] = set()
    while True:
        rung = commands.rung()
        command = commands.get(answers.command or 0)
        replies = [] if command is None else command.replies
        fresh = [each for each in replies if each.stand in ("ok", "error") and each.owner not in heard]
        for each in sorted(fresh, key=lambda each: each.at_us or 0):
            heard.add(each.owner)
            if limit is not None and len(answers) >= limit:
                break
            answers.append({each.worker: value_of(each)})
            hand_over(answers[-1:], callback)
        answers.gone = tuple(each.worker for each in replies if each.stand == "gone")
        answers.silent = tuple(
            each.worker for each in replies if each.stand in ("waiting", "begun", "expired")
        )
        if limit is not None and len(answers) >= limit:
            # The others need not answer.
            answers.silent = answers.gone = ()
            return
        left = end - time.monotonic()
        if left <= 0 or not any(each.stand in ("waiting", "begun") for each in replies):
            return
        commands.wait(rung, round(min(LOOK_US, max(1, left * 1e6))))


def value_of(reply: Reply) -> Any:
    """What a worker has said; None for nothing."""
    return None if reply.body is None else decode_result(reply.body)


def hand_over(answers: Iterable[dict[str, Any]], callback: Callback | None) -> None:
    if callback is not None:
        for each in answers:
            callback(each)


def warn(answers: Answers, command: str, timeout: float | None) -> None:
    said = []
    if answers.gone:
        said.append(f"{', '.join(answers.gone)} ended before it could answer {command}")
    if answers.silent:
        within = "" if timeout is None else f" within {timeout:g} s"
        until = f"{answers.expires:%H:%M:%S} UTC" if answers.expires else "it expires"
        said.append(
            f"{', '.join(answers.silent)} did not answer {command}{within}, and may obey it until {until}"
        )
    if said:
        warnings.warn("; ".join(said), NoAnswer, stacklevel=4)
