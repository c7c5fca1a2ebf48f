"""One schedule as people write it and as the file keeps it: when, which call, and what to do about times that were missed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple, cast

from pyqueue.callbacks import as_dicts
from pyqueue.exceptions import DecodeError, EncodeError, InvalidSchedule
from pyqueue.misuse import misused
from pyqueue.moments import FARTHEST_US, instant_us, is_instant, length_us
from pyqueue.options import CallOptions
from pyqueue.schedules import BaseSchedule, maybe_schedule, of_form
from pyqueue.serialization import decode_result, encode_result
from pyqueue.wall_times import zone_named

CatchUp = Literal["skip", "one", "all"]
Overlap = Literal["allow", "skip", "queue"]

CATCH_UPS: Final = ("skip", "one", "all")
OVERLAPS: Final = ("allow", "skip", "queue")
LATE_US: Final = 60_000_000
"""With ``catch_up="skip"`` a time that is later than this is left out, if no ``deadline`` is given."""


class Rules(NamedTuple):
    """What is said beside when and what."""

    zone: str = "UTC"
    catch_up: CatchUp = "one"
    """Of the times that were missed: none, the last one, or each (the last 100)."""
    overlap: Overlap = "allow"
    """Where the job before has not ended: another one, none, or one once it has ended."""
    jitter_us: int = 0
    """Each time is fired up to so much later, always the same for one time."""
    until_us: int | None = None
    """No time is later."""
    deadline_us: int | None = None
    """A time that could not be fired for so long is left out."""


class Periodic(NamedTuple):
    """A schedule with its call."""

    name: str
    when: BaseSchedule
    task: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    options: CallOptions
    """Of the call, with those of task, routes and app already in it: whoever fires it need not know these."""
    rules: Rules
    begun_us: int
    """When it came into the file."""

    def after_us(self, after_us: int) -> int | None:
        """The first time after an instant."""
        found = self.when.after_us(after_us, self.rules.zone, self.begun_us)
        until = FARTHEST_US if self.rules.until_us is None else self.rules.until_us
        return None if found is None or found > until else found

    def due_us(self, time_us: int) -> int:
        """When a time is fired."""
        if not self.rules.jitter_us:
            return time_us
        drawn = hashlib.blake2b(f"{self.name}\0{time_us}".encode(), digest_size=8).digest()
        return time_us + int.from_bytes(drawn, "big") % (self.rules.jitter_us + 1)

    def next_after(self, after_us: int) -> tuple[int, int] | None:
        """The first time after an instant, and when it is fired."""
        found = self.after_us(after_us)
        return None if found is None else (found, self.due_us(found))

    def mark(self) -> str:
        """Of what it says, whenever it came into the file."""
        return hashlib.blake2b(self._replace(begun_us=0).encoded(), digest_size=8).hexdigest()

    def encoded(self) -> bytes:
        """As the file keeps it. Raises EncodeError for arguments that are no JSON."""
        form = {
            "when": self.when.form(),
            "task": self.task,
            "args": list(self.args),
            "kwargs": dict(self.kwargs),
            "options": _written(self.options),
            "rules": {name: value for name, value in self.rules._asdict().items() if value != _USUAL[name]},
            "begun_us": self.begun_us,
        }
        return encode_result(form, f"the call of schedule {self.name}")

    @classmethod
    def decoded(cls, name: str, body: bytes) -> Periodic:
        """Of what the file keeps. Raises InvalidSchedule for what is none."""
        try:
            form = decode_result(body)
            found = cls(
                name,
                of_form(form["when"]),
                form["task"],
                tuple(form["args"]),
                dict(form["kwargs"]),
                CallOptions(**form["options"]),
                Rules(**form["rules"]),
                form["begun_us"],
            )
            wrong = _wrong(found)
        except (DecodeError, KeyError, TypeError, ValueError) as error:
            wrong = str(error)
        if wrong is not None:
            raise InvalidSchedule(
                f"schedule {name} can't be read ({wrong}); it was written by another version: remove it and add it anew"
            )
        return found


def _wrong(periodic: Periodic) -> str | None:
    """What can't be so in a row that this version has written."""
    rules = periodic.rules
    zone_named(rules.zone)
    numbers = (periodic.begun_us, rules.jitter_us, rules.until_us, rules.deadline_us)
    if not all(each is None or (type(each) is int and 0 <= each <= FARTHEST_US) for each in numbers):
        return "a time that is none"
    if rules.catch_up not in CATCH_UPS or rules.overlap not in OVERLAPS:
        return "a rule that is none"
    if not isinstance(periodic.task, str) or not all(isinstance(each, str) for each in periodic.kwargs):
        return "a call that is none"
    return misused(periodic.options)


_USUAL: Final = Rules()._asdict()
_CALL: Final = CallOptions()._asdict()


def _written(options: CallOptions) -> dict[str, Any]:
    said = {name: value for name, value in options._asdict().items() if value != _CALL[name]}
    for name, value in said.items():
        if name in ("link", "link_error"):
            said[name] = as_dicts(value)
        elif isinstance(value, timedelta):
            said[name] = value.total_seconds()
        elif name == "headers":
            said[name] = dict(value)
    return said


def rules_of(name: str, given: Mapping[str, Any], zone: str) -> Rules:
    """Raises InvalidSchedule for what can't be had."""

    def one_of(key: str, words: tuple[str, ...]) -> str:
        word = given.get(key) or _USUAL[key]
        if word not in words:
            raise InvalidSchedule(f"{key} of schedule {name} is {', '.join(words)}, not {word!r:.80}")
        return cast("str", word)

    def length(key: str) -> int | None:
        try:
            return None if given.get(key) is None else length_us(given[key])
        except (TypeError, ValueError):
            raise InvalidSchedule(
                f"{key} of schedule {name} is a number of seconds or a timedelta, not {given[key]!r:.80}"
            ) from None

    until = given.get("until")
    if until is not None and not is_instant(until):
        raise InvalidSchedule(f"until of schedule {name} is a datetime, not {until!r:.80}")
    zone = given.get("zone") or zone
    zone_named(zone)
    return Rules(
        zone,
        cast("CatchUp", one_of("catch_up", CATCH_UPS)),
        cast("Overlap", one_of("overlap", OVERLAPS)),
        length("jitter") or 0,
        None if until is None else instant_us(until),
        length("deadline"),
    )


def when_of(name: str, given: Any, relative: bool = False) -> BaseSchedule:
    """Raises InvalidSchedule, naming the schedule."""
    try:
        return maybe_schedule(given, relative)
    except InvalidSchedule as error:
        raise InvalidSchedule(f"schedule {name}: {error}") from None


def refuse_unwritable(periodic: Periodic) -> None:
    """Raises InvalidSchedule for a call that can't be kept."""
    try:
        periodic.encoded()
    except EncodeError as error:
        raise InvalidSchedule(str(error)) from None
