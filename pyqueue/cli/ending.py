"""How a job ended, shown by ``result`` and ``call --wait``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyqueue.cli.codes import EXIT_DONE, EXIT_FAILED, EXIT_NOTHING, EXIT_TRY_AGAIN
from pyqueue.cli.file import note
from pyqueue.cli.words import plain
from pyqueue.rebuilding import rebuilt
from pyqueue.redaction import masked_text
from pyqueue.serialization import decode_result

if TYPE_CHECKING:
    from typing import Any

    from pyqueue._core import Failure, JobView, Store


def code_of_state(state: str) -> int:
    """The exit code that tells how a job stands."""
    if state == "success":
        return EXIT_DONE
    if state == "unknown":
        return EXIT_NOTHING
    return EXIT_FAILED if state in ("failed", "dead", "cancelled", "expired") else EXIT_TRY_AGAIN


def object_of(id: str, view: JobView, traceback: bool) -> dict[str, Any]:
    """State, result and error with stable keys. Raises DecodeError for a result that can't be read."""
    return {
        "id": id,
        "state": view.state,
        "retries": view.retries,
        "result": value_of(view),
        "error": error_object(view.failure, traceback),
    }


def error_object(failure: Failure | None, traceback: bool) -> dict[str, Any] | None:
    """A failure with stable keys; the traceback where it is asked for."""
    if failure is None:
        return None
    told: dict[str, Any] = {"type": failure.error, "message": masked_text(failure.message)}
    return {**told, "traceback": masked_text(failure.traceback or "") or None} if traceback else told


def print_ending(store: Store, id: str, view: JobView, traceback: bool) -> None:
    """The result on standard output; on standard error what kept the job from having one."""
    state, failure = view.state, view.failure
    if state == "success":
        value = value_of(view)
        text = value if isinstance(value, str) else repr(value)
        print(plain(text, keep="\n\t") if sys.stdout.isatty() else text)
        return
    if traceback and failure is not None and failure.traceback:
        print(plain(masked_text(failure.traceback.rstrip()), keep="\n\t"), file=sys.stderr)
    if state == "unknown":
        note(f"{store.path} holds no job {id}; it may have ended long ago")
    elif failure is not None and state in ("failed", "dead"):
        note(f"job {id} {said_of(state)}: {plain(failure.error)}: {plain(masked_text(failure.message))}")
    else:
        note(f"job {id} {said_of(state)}")


def said_of(state: str) -> str:
    """A state as the end of a sentence about a job."""
    sentences = {
        "failed": "failed",
        "dead": "is dead",
        "cancelled": "was cancelled and has no result",
        "expired": "expired before it could start and has no result",
    }
    return sentences.get(state, f"is not finished: {state}; wait for it with --wait, or ask pyqueue why")


def value_of(view: JobView) -> Any:
    """The result; None where there is none or it was not kept."""
    if view.state == "success" and view.failure is not None:
        raise rebuilt(view.failure)
    return None if view.body is None else decode_result(view.body, view.content_type)
