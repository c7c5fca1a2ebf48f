"""How long an error asks to wait: its ``retry_after``, or the header Retry-After of the answer it came with."""

from __future__ import annotations

import math
from typing import Any

from pyqueue.moments import seconds_until


def asked_wait(error: BaseException) -> float | None:
    """Seconds from now; None where it asks for nothing that can be understood."""
    try:
        return _seconds(_said(error))
    except Exception:  # noqa: BLE001  the error and its answer are another library's, and may raise anything
        return None


def _said(error: BaseException) -> Any:
    said = getattr(error, "retry_after", None)
    if said is not None:
        return said
    # requests, httpx and many clients keep the answer; urllib and aiohttp only its headers.
    for holder in (getattr(error, "response", None), error):
        headers = getattr(holder, "headers", None)
        if headers is not None:
            said = headers.get("Retry-After")
            if said is None:
                said = headers.get("retry-after")
            if said is not None:
                return said
    return None


def _seconds(said: Any) -> float | None:
    if said is None or isinstance(said, bool):
        return None
    if isinstance(said, str):
        said = said.strip()
        if not said.replace(".", "", 1).isdecimal():
            # RFC 9110: seconds, or a date.
            from email.utils import parsedate_to_datetime  # noqa: PLC0415

            return seconds_until(parsedate_to_datetime(said))
        said = float(said)
    if isinstance(said, (int, float)):
        return max(0.0, float(said)) if math.isfinite(said) else None
    return seconds_until(said)
