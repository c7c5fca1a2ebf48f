"""The two signals around making a job. Asked only if somebody is connected."""

from __future__ import annotations

from typing import Any

from pyqueue import signals
from pyqueue.options import CallOptions
from pyqueue.signature import Signature


def before(signature: Signature[Any], options: CallOptions) -> None:
    """Sends ``before_task_publish``. The id is None where the file gives it."""
    signals.before_task_publish.send(
        signature.task,
        body=(signature.args, signature.kwargs, {}),
        headers=_headers(signature, options.task_id, options.headers),
        properties={"correlation_id": options.task_id, "priority": options.priority},
        exchange="",
        routing_key=options.queue,
        declare=[],
        retry_policy=None,
    )


def after(signature: Signature[Any], id: str) -> None:
    """Sends ``after_task_publish``."""
    signals.after_task_publish.send(
        signature.task,
        body=(signature.args, signature.kwargs, {}),
        headers=_headers(signature, id, signature.options.get("headers")),
        exchange="",
        routing_key=signature.options.get("queue"),
    )


def _headers(signature: Signature[Any], id: str | None, own: Any) -> dict[str, Any]:
    return {**(own or {}), "id": id, "task": signature.task}
