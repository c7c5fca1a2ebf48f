"""What a key does to what is selected."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING, Final

from pyqueue._core import Gates
from pyqueue.author import whoami
from pyqueue.top.state import SORTS, FailureRow, JobRow, QueueRow, Row, View, key_of

if TYPE_CHECKING:
    from pyqueue._core import Store

GRACE_US: Final = 5_000_000


def pressed(store: Store, view: View, rows: list[Row], key: str) -> View | None:
    """The view after a key; None to quit. What is asked about is done once the answer is y."""
    if view.asks is not None:
        return _answered(store, view, key)
    view = view._replace(says="")
    if key == "q":
        return None
    if key in ("p", "c", "t"):
        chosen = selected(view, rows)
        nothing = "nothing is selected: use the arrow keys"
        return view._replace(says=nothing) if chosen is None else _done(store, view, chosen, key)
    return _looked(view, rows, key)


def _looked(view: View, rows: list[Row], key: str) -> View:
    match key:
        case "?":
            return view._replace(help=not view.help)
        case "s":
            return view._replace(sort=SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)])
        case "w":
            return view._replace(waiting=not view.waiting)
        case "down" | "j":
            return view._replace(selected=_moved(view, rows, 1))
        case "up" | "k":
            return view._replace(selected=_moved(view, rows, -1))
    return view


def _moved(view: View, rows: list[Row], by: int) -> tuple[str, str] | None:
    keys = [key_of(row) for row in rows]
    if not keys:
        return None
    if view.selected not in keys:
        return keys[0 if by > 0 else -1]
    return keys[min(max(keys.index(view.selected) + by, 0), len(keys) - 1)]


def selected(view: View, rows: list[Row]) -> Row | None:
    """The row that is selected."""
    return next((row for row in rows if key_of(row) == view.selected), None)


def _done(store: Store, view: View, chosen: Row, key: str) -> View:
    match key, chosen:
        case "p", QueueRow():
            return view._replace(says=_turn(store, queue=chosen.name))
        case "p", JobRow() | FailureRow():
            return view._replace(says=_turn(store, task=chosen.task))
        case "c", JobRow():
            return view._replace(asks=(f"cancel {chosen.task} {chosen.id}?", chosen.id))
        case "t", FailureRow():
            new = store.replay(chosen.id)
            return view._replace(says=f"{chosen.id} is gone" if new is None else f"runs once more as {new}")
    said = {"c": "only a job that runs or waits can be cancelled", "t": "only a failed job can be retried"}
    return view._replace(says=said[key])


def _turn(store: Store, task: str | None = None, queue: str | None = None) -> str:
    """Pauses what is not paused, and the other way round."""
    gates = Gates(store)
    kind = "queue" if task is None else "task"
    what = f"{kind} {queue if task is None else task}"
    shut = any(
        gate.shut and gate.scope == kind and (gate.queue if task is None else gate.task) == (task or queue)
        for gate in gates.list()
    )
    if shut:
        gates.resume(task=task, queue=queue)
        return f"{what} may start again"
    gates.pause(task=task, queue=queue, author=whoami(), reason="pyqueue top")
    return f"{what} is paused"


def _answered(store: Store, view: View, key: str) -> View:
    _, id = view.asks or ("", "")
    view = view._replace(asks=None, says="")
    if key != "y":
        return view
    said = {"cancelled": "is cancelled", "asked": "was asked to end", "late": "has ended already"}
    done = store.revoke(id, int(SIGTERM), GRACE_US)
    return view._replace(says=f"{id} {said.get(done, done)}")
