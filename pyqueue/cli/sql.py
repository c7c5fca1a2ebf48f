"""``pyqueue sql``: the statement by which any SQLite client makes a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyqueue.cli.parser import add_command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

COLUMNS: Final = {
    "id": "text, the job's id; a second row of the same id is refused, or makes no second job (a new id)",
    "task": "text, the task's full name, such as 'shop.mail.send'",
    "body": 'blob, the call as JSON in UTF-8: {"v": 1, "args": ["bob"], "kwargs": {}}',
    "queue": "text ('default')",
    "priority": "integer, -128 to 127; higher runs first (0)",
    "run_at": "integer, not before this time (NULL: at once)",
    "expires": "integer, not started after this time (NULL: never)",
    "dedup_key": "text; one unfinished job of a queue at a time has it (NULL: none)",
    "dedup": "'return': where the key is taken nothing is inserted; 'refuse': an error; 'replace' ('return')",
    "dedup_window": "integer, keeps the key taken for so long, even if the job has ended (NULL: until it has)",
    "max_losses": "integer, how many of its processes may die under it (5)",
    "time_limit": "integer, it is killed after so long (NULL: never)",
    "soft_time_limit": "integer, it is interrupted after so long (NULL: never)",
    "content_type": "text, of the body (NULL: JSON)",
}
"""What a client may write, with what it gets where it leaves the column out."""


def add(commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        shared,
        "sql",
        "Prints the INSERT by which a client of any language makes a job in its own transaction.",
        ("pyqueue sql enqueue",),
    )
    parser.add_argument("statement", choices=("enqueue",), help="which statement")
    parser.set_defaults(run=run)


def run(_arguments: Namespace) -> int:
    """Runs the command."""
    print(enqueue())
    return 0


def enqueue() -> str:
    """The INSERT with a named parameter for each column."""
    width = max(map(len, COLUMNS))
    last = len(COLUMNS) - 1
    columns = [
        f"  {name}{' ' if at == last else ','}{' ' * (width - len(name))}  -- {what}"
        for at, (name, what) in enumerate(COLUMNS.items())
    ]
    names = [f":{name}" for name in COLUMNS]
    return "\n".join(
        (
            "-- Makes a job, in your own transaction: it is there once that commits, and a worker wakes within milliseconds.",
            "-- task and body are needed, any other column may be left out; what it is then stands in parentheses.",
            "-- Times are microseconds since 1970-01-01 UTC, lengths of time microseconds. SQLite 3.37 or newer.",
            "INSERT INTO pyqueue_inbox(",
            *columns,
            ") VALUES (",
            f"  {', '.join(names[:7])},",
            f"  {', '.join(names[7:])}",
            ");",
        )
    )
