"""Values ↔ bytes: one versioned JSON envelope for calls, results and exceptions.

Tags for what JSON lacks are kombu's, so Celery reads them. Tuples become lists and keys become strings.
Nothing in a payload is imported or executed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from pyqueue.exceptions import DecodeError, EncodeError
from pyqueue.extras import NO_EXTRAS, Extras, read_extras
from pyqueue.quick_json import fits, quick_json
from pyqueue.tags import refuse_lookalikes, tagged, untagged

VERSION: Final = 1
CONTENT_TYPE: Final = "application/json"
MAX_BODY: Final = 1_048_576
"""Bytes of one encoded message; the store's own limit is the same."""
MAX_DEPTH: Final = 64


class Call(NamedTuple):
    """What a job's body says. ``mapped``: ``args`` are argument lists, one call each (chunks)."""

    args: list[Any]
    kwargs: dict[str, Any]
    ignore_result: bool = False
    mapped: bool = False
    extras: Extras = NO_EXTRAS


def encode_call(call: Call, task: str, limit: int = MAX_BODY) -> bytes:
    """The body of a new job. Raises EncodeError, which names the task."""
    if not call.mapped and call.extras is NO_EXTRAS:
        return encode_usual(call.args, call.kwargs, call.ignore_result, task, limit)
    envelope: dict[str, Any] = {"v": VERSION, "args": call.args, "kwargs": call.kwargs}
    if call.ignore_result:
        envelope["ignore_result"] = True
    if call.mapped:
        envelope["mapped"] = True
    return _encode(envelope | call.extras.shown(), f"the call of {task}", limit)


def encode_usual(
    args: Sequence[Any], kwargs: dict[str, Any], ignore_result: bool, task: str, limit: int = MAX_BODY
) -> bytes:
    """As ``encode_call``, of a call that is no more than this."""
    envelope: dict[str, Any] = {"v": VERSION, "args": args, "kwargs": kwargs}
    if ignore_result:
        envelope["ignore_result"] = True
    body = None if kwargs else _encode_flat(args, envelope, limit)
    return _encode(envelope, f"the call of {task}", limit) if body is None else body


def decode_call(body: bytes, content_type: str | None = None, limit: int = MAX_BODY) -> Call:
    """Reads a job's body. Raises DecodeError."""
    envelope = _decode(body, content_type, limit)
    args, kwargs = envelope.get("args"), envelope.get("kwargs")
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise DecodeError("a call needs a list 'args' and an object 'kwargs'")
    mapped = envelope.get("mapped") is True
    if mapped and not all(isinstance(each, list) for each in args):
        raise DecodeError("the 'args' of a mapped call must be lists")
    # Most messages are just version, args and kwargs.
    extras = read_extras(envelope) if len(envelope) > 3 else NO_EXTRAS
    return Call(args, kwargs, envelope.get("ignore_result") is True, mapped, extras)


def encode_result(
    value: object, what: str, limit: int = MAX_BODY, children: list[str] | None = None
) -> bytes:
    """The body of a result, with the ids of the jobs its task made. Raises EncodeError."""
    envelope: dict[str, Any] = {"v": VERSION, "result": value}
    if children:
        envelope["children"] = children
    body = _encode_flat((value,), envelope, limit)
    return _encode(envelope, what, limit) if body is None else body


def decode_result(body: bytes, content_type: str | None = None) -> Any:
    """Reads a result. Raises DecodeError."""
    envelope = _decode(body, content_type, sys.maxsize)
    if "result" not in envelope:
        raise DecodeError("the message holds no 'result'")
    return envelope["result"]


def decode_children(body: bytes, content_type: str | None = None) -> list[str]:
    """The ids of the jobs that the task of a result made. Raises DecodeError."""
    children = _decode(body, content_type, sys.maxsize).get("children", [])
    if not (isinstance(children, list) and all(isinstance(each, str) for each in children)):
        raise DecodeError("the 'children' of a result are a list of ids")
    return children


def encode_exception(error: BaseException, limit: int = MAX_BODY) -> bytes | None:
    """An exception's arguments and attributes; None where they are no JSON."""
    # An OSError keeps its file names beside ``args``.
    args: Any = OSError.__reduce__(error)[1] if isinstance(error, OSError) else error.args
    try:
        return _encode({"v": VERSION, "args": list(args), "attributes": vars(error)}, "it", limit)
    except EncodeError:
        return None


def decode_exception(body: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Reads what ``encode_exception`` wrote. Raises DecodeError."""
    envelope = _decode(body, None, sys.maxsize)
    args, attributes = envelope.get("args"), envelope.get("attributes")
    if not isinstance(args, list) or not isinstance(attributes, dict):
        raise DecodeError("an exception needs a list 'args' and an object 'attributes'")
    return args, attributes


def _encode_flat(values: Iterable[object], envelope: dict[str, Any], limit: int) -> bytes | None:
    """The envelope of these values, where it can be had quickly."""
    quick = quick_json()
    if quick is None or not fits(values):
        return None
    try:
        body = quick.encode(envelope)
    except UnicodeEncodeError:  # Half of a surrogate pair.
        return None
    return body if len(body) <= limit and body.find(b'"__type__"') < 0 else None


def _encode(envelope: dict[str, Any], what: str, limit: int) -> bytes:
    try:
        text = "".join(_ENCODE(envelope, 0))
        if '"__type__"' in text:
            refuse_lookalikes(envelope)
        # Depth can't exceed the number of brackets, and counting those costs a hundredth of a walk.
        if text.count("[") + text.count("{") > MAX_DEPTH and _depth(envelope) > MAX_DEPTH:
            raise EncodeError(f"nested deeper than {MAX_DEPTH} levels; flatten it")
    except RecursionError:
        raise EncodeError(
            f"{what} is nested deeper than {MAX_DEPTH} levels, or contains itself; flatten it"
        ) from None
    except (TypeError, ValueError) as error:
        why = (
            "it contains NaN or an infinity; pass None or text instead"
            if "Out of range" in str(error)
            else error
        )
        raise EncodeError(f"{what} can't be written as JSON: {why}") from None
    if len(text) > limit:
        raise EncodeError(
            f"{what} takes {len(text):,} bytes as JSON and the limit is {limit:,}; store it elsewhere"
        )
    return text.encode("ascii")


def _decode(body: bytes, content_type: str | None, limit: int) -> dict[str, Any]:
    if content_type not in (None, CONTENT_TYPE):
        raise DecodeError(f"the content type is {content_type!r}; this version reads {CONTENT_TYPE}")
    if len(body) > limit:
        raise DecodeError(f"the message has {len(body):,} bytes and the limit is {limit:,}")
    try:
        envelope = _decoded(body)
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(envelope) > MAX_DEPTH:
            raise DecodeError(f"the message is nested deeper than {MAX_DEPTH} levels")
    except RecursionError:
        raise DecodeError(f"the message is nested deeper than {MAX_DEPTH} levels") from None
    except DecodeError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise DecodeError(f"the message is no JSON of ours: {error}") from None
    version = envelope.get("v") if isinstance(envelope, dict) else None
    if type(version) is not int or version != VERSION:
        raise DecodeError(f"the message has version {version!r} and this program reads version {VERSION}")
    return envelope  # type: ignore[no-any-return]


def _decoded(body: bytes) -> Any:
    # A tag may be spelled with escapes, though nobody does.
    # ``find``, because ``in`` first takes bytes for a number, and drops the error: 0.2 µs.
    tags = body.find(b"__type__") >= 0 or body.find(b"\\u00") >= 0
    quick = None if tags else quick_json()
    if quick is not None:
        try:
            return quick.decode(body)
        except Exception:  # noqa: BLE001  ``json`` reads an infinity or half a surrogate pair, and names what is wrong
            pass
    return _of_text(_DECODER if tags else _PLAIN, body.decode("utf-8"))


def _depth(value: object) -> int:
    """Levels of lists and objects, without recursion."""
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, level = stack.pop()
        deepest = max(deepest, level)
        if isinstance(item, dict):
            stack += [(each, level + 1) for each in item.values() if isinstance(each, (dict, list, tuple))]
        elif isinstance(item, (list, tuple)):
            stack += [(each, level + 1) for each in item if isinstance(each, (dict, list, tuple))]
    return deepest


def _of_text(decoder: json.JSONDecoder, text: str) -> Any:
    if text[:1] == "{":
        # ``decode`` looks for space around it by two regular expressions, at 0.5 µs.
        value, end = decoder.raw_decode(text)
        if end == len(text):
            return value
    return decoder.decode(text)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    options: dict[str, Any] = {"allow_nan": False, "separators": (",", ":"), "default": tagged}
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return lambda value, _: [json.JSONEncoder(**options).encode(value)]
    # What ``JSONEncoder.encode`` makes anew for each value, at 1.2 µs. It is used without the dictionary in which it
    # looks for what contains itself: such a value ends as one that is too deep.
    escape = json.encoder.encode_basestring_ascii
    return make(None, tagged, escape, None, ":", ",", False, False, False)  # type: ignore[no-any-return]


_ENCODE: Final = _encoder()
_PLAIN: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_DECODER: Final = json.JSONDecoder(object_hook=untagged, parse_constant=_refuse_constant)
