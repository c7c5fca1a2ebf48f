"""What JSON lacks, in kombu's tags: ``{"__type__": …, "__value__": …}``, which Celery reads.

A tag selects one of the decoders below, and nothing else in a message does anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from pyqueue.exceptions import DecodeError, EncodeError

_TAG_KEYS: Final = {"__type__", "__value__"}


def refuse_lookalikes(value: object) -> None:
    """Raises EncodeError for a plain dict that looks like a tag: it would come back as something else."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if item.keys() == _TAG_KEYS:
                raise EncodeError(
                    "a dict with just the keys '__type__' and '__value__' would be read as a tag"
                )
            stack += item.values()
        elif isinstance(item, (list, tuple)):
            stack += item


def _loaded(module: str, name: str) -> Any:
    """A class if its module is loaded, else (): no value of it can exist, and the import costs 3 ms and more."""
    found = sys.modules.get(module)
    return getattr(found, name) if found is not None else ()


def tagged(value: Any) -> dict[str, Any]:
    """The tag of a value that JSON lacks. Raises TypeError that names the type if there is none."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"__type__": "base64", "__value__": _b2a(value)}
    if isinstance(value, _loaded("datetime", "datetime")):
        return {"__type__": "datetime", "__value__": value.isoformat()}
    if isinstance(value, _loaded("datetime", "date")):
        return {"__type__": "date", "__value__": value.isoformat()}
    if isinstance(value, _loaded("datetime", "time")):
        return {"__type__": "time", "__value__": value.isoformat()}
    if isinstance(value, _loaded("decimal", "Decimal")):
        return {"__type__": "decimal", "__value__": str(value)}
    if isinstance(value, _loaded("uuid", "UUID")):
        return {"__type__": "uuid", "__value__": {"hex": value.hex, "version": value.version}}
    cls = type(value)
    advice = "make it a list" if isinstance(value, (set, frozenset)) else "pass its id or its plain fields"
    kind = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    raise TypeError(f"it contains {'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}; {advice} instead")


def _b2a(value: bytes | bytearray | memoryview) -> str:
    import binascii  # noqa: PLC0415

    return binascii.b2a_base64(value, newline=False).decode("ascii")


def untagged(found: dict[str, Any]) -> Any:
    """What a tag stands for; any other dict as it is. Raises DecodeError for an unknown tag."""
    if found.keys() != _TAG_KEYS:
        return found
    tag, value = found["__type__"], found["__value__"]
    decode = _DECODERS.get(tag) if isinstance(tag, str) else None
    if decode is None:
        raise DecodeError(f"the message has the unknown type tag {tag!r}")
    return decode(value)


def _bytes(value: str) -> bytes:
    import binascii  # noqa: PLC0415

    return binascii.a2b_base64(value, strict_mode=True)


def _datetime(value: str) -> Any:
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(value)


def _date(value: str) -> Any:
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(value).date()


def _time(value: str) -> Any:
    from datetime import time  # noqa: PLC0415

    return time.fromisoformat(value)


def _decimal(value: str) -> Any:
    from decimal import Decimal  # noqa: PLC0415

    return Decimal(value)


def _uuid(value: dict[str, Any]) -> Any:
    from uuid import UUID  # noqa: PLC0415

    # The version lies in the digits already; passing it on would let a message overwrite them.
    return UUID(hex=value["hex"])


_DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bytes": str.encode,
    "base64": _bytes,
    "datetime": _datetime,
    "date": _date,
    "time": _time,
    "decimal": _decimal,
    "uuid": _uuid,
}
