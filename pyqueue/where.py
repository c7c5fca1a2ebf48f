"""Jobs by what they are, as people write it: ``task=report.* queue=mail age>1h``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pyqueue.exceptions import InvalidFilter
from pyqueue.knobs import seconds
from pyqueue.states import LIVE

TEXTS: Final = ("task", "queue", "key", "error")
NUMBERS: Final = ("priority", "retries")
_PART: Final = re.compile(r"""\s*([^\s=!<>]*)\s*(!=|>=|<=|=|>|<)(\s*)("[^"]*"|'[^']*'|[^\s"']\S*)""")
_OPERATOR: Final = re.compile(r"[=<>!]")
_RUN_TOGETHER: Final = re.compile(rf"[,;&|]\s*({'|'.join((*TEXTS, *NUMBERS, 'state', 'age'))})\s*[=<>!]")
_LIKE: Final = re.compile(r"[*?[]")

Scope = dict[str, str | tuple[str | None, str | None, str | None]]
"""What a pause is about, as the core takes it: a task, a queue, or patterns that fit."""
Core = tuple[str, bool, str | int]
"""A condition as the core takes it."""


class Condition(NamedTuple):
    """Something that must hold of a job."""

    field: str
    operator: str
    """= != > < >= <="""
    value: str
    """A pattern with ``*``, ``?`` and ``[…]``, the name of a state, a number or a length of time."""


class Where(NamedTuple):
    """Conditions of which all must hold. None: every job."""

    conditions: tuple[Condition, ...]

    def core(self, now_us: int) -> list[Core]:
        """For the core; an age counts from ``now_us``. Raises InvalidFilter for what is known of ended jobs alone."""
        found: list[Core] = []
        for condition in self.conditions:
            field, operator, value = condition
            if field == "error":
                raise InvalidFilter("a job that has not ended has no error yet: 'error' is for retry")
            if field == "state":
                if value not in LIVE:
                    raise InvalidFilter(f"{value} jobs have ended: what has not is {', '.join(LIVE)}")
                found.append((field, operator == "=", value))
            elif field in TEXTS:
                found.append((field, operator == "=", value))
            elif field == "age":
                # What is older was made earlier.
                found.append(("made_us", operator in ("<", "<="), now_us - round(seconds(value) * 1e6)))
            else:
                found += _bounds(field, operator, int(value))
        return found

    def scope(self) -> Scope:
        """For a pause, which also holds for jobs that come later. Raises InvalidFilter for what they can't be known by."""
        said: dict[str, str] = {}
        for field, operator, value in self.conditions:
            if field not in ("task", "queue", "key") or operator != "=" or field in said:
                raise InvalidFilter(
                    f"a pause also holds for jobs that come later: it says task=, queue= and key=, each once, "
                    f"and not {field}{operator}{value}"
                )
            said[field] = value
        if not said:
            raise InvalidFilter("say what is paused, by task=, queue= or key=")
        if len(said) == 1 and "key" not in said:
            (field, value) = next(iter(said.items()))
            if not is_pattern(value):
                return {field: value}
        return {"fits": (said.get("task"), said.get("queue"), said.get("key"))}


def where(text: str) -> Where:
    """Reads conditions that are parted by spaces. A value with spaces is quoted. Raises InvalidFilter."""
    conditions: list[Condition] = []
    at = 0
    text = text.strip()
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            raise InvalidFilter(
                f"{text[at:].strip()!r:.80} is no condition such as task=report.*, queue=mail, age>1h or state=waiting"
            )
        field, operator, gap, value = part.groups()
        if value[0] in "\"'":
            value = value[1:-1]
        elif gap and _OPERATOR.search(value):
            # A variable of the shell that is empty: what follows is the next condition.
            raise InvalidFilter(
                f"{field}{operator} has no value before {value!r:.80}; quote a value with = < > or !"
            )
        elif _OPERATOR.match(value):
            raise InvalidFilter(
                f"{operator}{value[0]} is no comparison: there are = != < > <= >=; quote a value that begins with one"
            )
        elif together := _RUN_TOGETHER.search(value):
            raise InvalidFilter(
                f"conditions are parted by spaces: {field}{operator}{value[: together.start()]} "
                f"{value[together.start() + 1 :]}, or quote the value"
            )
        conditions.append(_checked(Condition(field, operator, value)))
        at = part.end()
    return Where(tuple(conditions))


def is_pattern(value: str) -> bool:
    """Whether it may fit several names."""
    return _LIKE.search(value) is not None


def exactly(name: str) -> str:
    """The pattern that this name alone fits."""
    return _LIKE.sub(r"[\g<0>]", name)


def _checked(condition: Condition) -> Condition:
    field, operator, value = condition
    if field in TEXTS or field == "state":
        if operator not in ("=", "!="):
            raise InvalidFilter(f"{field} is compared by = or !=, not by {operator}")
        if not value:
            raise InvalidFilter(f"{field}{operator} has no value: every job has a longer one, or none")
        if field == "state" and value not in (*LIVE, "failed", "dead"):
            raise InvalidFilter(
                f"there is no state {value!r:.40}: there are {', '.join(LIVE)}, failed and dead"
            )
    elif field == "age":
        if operator in ("=", "!="):
            raise InvalidFilter("age is compared by > or <")
        try:
            seconds(value)
        except ValueError as error:
            raise InvalidFilter(f"age{operator}{value}: {value!r:.40} is not {error}") from None
    elif field in NUMBERS:
        if operator == "!=" or not re.fullmatch(r"-?\d{1,9}", value):
            raise InvalidFilter(f"{field} is compared with a whole number by =, >, <, >= or <=")
    else:
        known = (*TEXTS, "state", "age", *NUMBERS)
        raise InvalidFilter(f"jobs are not told apart by {field!r:.40}: there are {', '.join(known)}")
    return condition


def _bounds(field: str, operator: str, value: int) -> list[Core]:
    match operator:
        case ">=":
            return [(field, True, value)]
        case ">":
            return [(field, True, value + 1)]
        case "<":
            return [(field, False, value)]
        case "<=":
            return [(field, False, value + 1)]
    return [(field, True, value), (field, False, value + 1)]
