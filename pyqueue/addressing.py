"""Whom a command is for: all workers, some by name, or those whose name fits a pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from pyqueue.exceptions import InvalidCommand, NoSuchWorker


def chosen(
    there: Sequence[tuple[int, str]],
    destination: str | Sequence[str] | None,
    pattern: str | None,
    matcher: str | None,
    path: str,
) -> tuple[list[int], str]:
    """The ids of the workers that are meant, and whom that is in words. Raises NoSuchWorker, InvalidCommand."""
    fits = fitting(pattern or "", matcher)
    if destination is not None and pattern is not None:
        raise InvalidCommand("say either destination or pattern")
    if destination is not None:
        names = [destination] if isinstance(destination, str) else list(destination)
        missing = [name for name in names if not any(_is(each, name) for each in there)]
        if missing or not names:
            who = f"there is no worker {missing[0]!r:.80}" if missing else "destination names nobody"
            raise NoSuchWorker(f"{who}: {_those(there, path)}")
        meant = [id for id, name in there if any(_is((id, name), each) for each in names)]
        return meant, ", ".join(map(str, names))
    if pattern is not None:
        meant = [id for id, name in there if fits(name)]
        if not meant:
            raise NoSuchWorker(f"no worker's name fits {pattern!r:.80}: {_those(there, path)}")
        return meant, f"{matcher or 'glob'} {pattern}"
    return [id for id, _ in there], "all"


def _is(worker: tuple[int, str], named: str) -> bool:
    return named in (worker[1], str(worker[0]))


def fitting(pattern: str, matcher: str | None) -> Callable[[str], bool]:
    """Whether a name fits: as of files, or a regular expression ("pcre"). Raises InvalidCommand."""
    if matcher not in (None, "glob", "pcre"):
        raise InvalidCommand(f"a matcher is 'glob' or 'pcre', not {matcher!r:.80}")
    if matcher != "pcre":
        return lambda name: fnmatchcase(name, pattern)
    import re  # noqa: PLC0415

    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidCommand(f"{pattern!r:.80} is no regular expression: {error}") from None
    return lambda name: compiled.match(name) is not None


def _those(there: Sequence[tuple[int, str]], path: str) -> str:
    if not there:
        return f"no worker runs on {path}"
    names = [name for _, name in there]
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
