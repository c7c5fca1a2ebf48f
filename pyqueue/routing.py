"""``task_routes``: a task's queue and priority by its name or a pattern, in Celery's forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyqueue.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    import re


def route(routes: Any, name: str) -> dict[str, Any]:
    """The options that the first fitting route gives; none where none fits.

    ``routes`` is a table {"proj.mail.*": {"queue": "mail"}} or {"…": "mail"}, a list of pairs, or a list of
    tables. Raises ImproperlyConfigured for another form.
    """
    if not routes:
        return {}
    if isinstance(routes, Mapping):
        pairs = list(routes.items())
    elif isinstance(routes, (list, tuple)):
        pairs = [pair for each in routes for pair in _pairs(each)]
    else:
        pairs = _pairs(routes)
    exact = next((goal for pattern, goal in pairs if pattern == name), None)
    goal = exact if exact is not None else next((g for pattern, g in pairs if _fits(pattern, name)), None)
    if goal is None:
        return {}
    if isinstance(goal, str):
        return {"queue": goal}
    if isinstance(goal, Mapping):
        return {key: goal[key] for key in ("queue", "priority") if goal.get(key) is not None}
    raise ImproperlyConfigured(
        f"the route of {name} is a queue or {{'queue': …, 'priority': …}}, not {goal!r}"
    )


def _pairs(each: Any) -> list[tuple[Any, Any]]:
    if isinstance(each, Mapping):
        return list(each.items())
    if isinstance(each, (list, tuple)):
        if len(each) == 2 and not isinstance(each[0], (list, tuple, Mapping)):
            return [(each[0], each[1])]
        return [pair for inner in each for pair in _pairs(inner)]
    raise ImproperlyConfigured(
        f"task_routes is a table of task names and queues, not {each!r}; routers that are code are not run"
    )


def _fits(pattern: str | re.Pattern[str], name: str) -> bool:
    if not isinstance(pattern, str):
        return pattern.match(name) is not None
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    import fnmatch  # noqa: PLC0415

    return fnmatch.fnmatchcase(name, pattern)
