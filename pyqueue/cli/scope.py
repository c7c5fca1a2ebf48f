"""What ``pyqueue pause`` and ``pyqueue resume`` are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pyqueue.cli.file import add_options
from pyqueue.cli.words import plain
from pyqueue.exceptions import ImproperlyConfigured
from pyqueue.where import Condition, Where, exactly, where

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from pyqueue._core import Store


def add_scope(parser: ArgumentParser) -> None:
    """Adds ``--task``, ``--queue``, ``--key`` and ``--where``."""
    pattern = "or a pattern with *, ? and [...]"
    parser.add_argument("--task", type=_name, metavar="NAME", help=f"jobs of this task, {pattern}")
    parser.add_argument("--queue", type=_name, metavar="NAME", help=f"jobs of this queue, {pattern}")
    parser.add_argument("--key", type=_name, metavar="KEY", help=f"jobs with this dedup key, {pattern}")
    parser.add_argument("--where", metavar="FILTER", help="the same as one text: 'task=report.* queue=mail'")
    add_options(parser)


def meant(arguments: Namespace) -> Where:
    """What was said. Raises ImproperlyConfigured for nothing, InvalidFilter for what is no filter."""
    said = where(arguments.where or "").conditions
    fields = ((name, getattr(arguments, name)) for name in ("task", "queue", "key"))
    said += tuple(Condition(name, "=", value) for name, value in fields if value is not None)
    if not said:
        raise ImproperlyConfigured("say what: --task, --queue, --key or --where")
    return Where(said)


def scope(which: Where) -> dict[str, Any]:
    """For the core."""
    return cast("dict[str, Any]", which.scope())


def said(about: dict[str, Any]) -> dict[str, str | None]:
    """The same with a key for each field."""
    task, queue, key = about.get("fits") or (about.get("task"), about.get("queue"), None)
    return {"task": task, "queue": queue, "key": key}


def words(which: Where) -> str:
    """For people: "task report.build", "queue mail", or the filter."""
    about = which.scope()
    if "fits" not in about:
        ((kind, name),) = about.items()
        return f"{kind} {plain(str(name))}"
    return "what fits " + " ".join(f"{field}={plain(value)}" for field, _, value in which.conditions)


def is_everything(store: Store, which: Where) -> bool:
    """Whether no job of the file could start any more, whatever its task and key."""
    fields = said(scope(which))
    task, queue = fields["task"], fields["queue"]
    if fields["key"] is not None or (task is not None and task.strip("*")):
        return False
    if queue is None or not queue.strip("*"):
        return True
    from fnmatch import fnmatchcase  # noqa: PLC0415  most pauses are of something

    open_now = [each.name for each in store.queues() if not each.paused]
    # The same patterns as the core's, but for the sign of "none of these".
    pattern = queue.replace("[^", "[!") if "fits" in scope(which) else exactly(queue)
    return bool(open_now) and all(fnmatchcase(name, pattern) for name in open_now)


def _name(text: str) -> str:
    if not 1 <= len(text) <= 255:
        # argparse shows the message of no other ValueError.
        from argparse import ArgumentTypeError  # noqa: PLC0415

        raise ArgumentTypeError("a name has 1 to 255 characters")
    return text
