"""P19: any bytes are read or refused, in bounded memory; nothing in them is executed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyqueue._core import Failure
from pyqueue.exceptions import DecodeError, EncodeError, QueueError, TaskFailed
from pyqueue.rebuilding import rebuilt
from pyqueue.serialization import (
    MAX_BODY,
    Call,
    decode_call,
    decode_children,
    decode_exception,
    decode_result,
    encode_call,
    encode_result,
)
from pyqueue.signature import Signature

DECODERS = [decode_call, decode_result, decode_children, decode_exception]
fuzz = settings(max_examples=100, deadline=None, derandomize=True, database=None)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
tags = st.fixed_dictionaries(
    {
        "__type__": st.sampled_from(
            [
                "bytes",
                "base64",
                "datetime",
                "date",
                "time",
                "decimal",
                "uuid",
                "pickle",
                "object",
                "__class__",
                "",
            ]
        )
        | values,
        "__value__": values,
    }
)
keys = st.sampled_from(
    [
        "v",
        "args",
        "kwargs",
        "result",
        "children",
        "attributes",
        "mapped",
        "headers",
        "link",
        "link_error",
        "eta",
    ]
) | st.text(max_size=5)
envelopes = st.dictionaries(keys, values | tags | st.lists(tags | values, max_size=3), max_size=8).map(
    lambda found: {"v": 1, **found}
)


def refused(body: bytes, content_type: str | None = None) -> int:
    """How many of the decoders refuse; an error that is not ours goes through."""
    count = 0
    for decode in DECODERS:
        try:
            decode(body) if decode is decode_exception else decode(body, content_type)  # type: ignore[operator]
        except DecodeError:
            count += 1
    return count


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    refused(body)


@fuzz
@given(envelopes)
def test_any_envelope(envelope: dict[str, Any]) -> None:
    refused(json.dumps(envelope).encode())


@fuzz
@given(envelopes, st.integers(0, 300), st.integers(0, 300), st.binary(max_size=3))
def test_any_cut_or_bent_envelope(envelope: dict[str, Any], cut: int, place: int, put: bytes) -> None:
    body = json.dumps(envelope).encode()
    refused(body[:cut])
    refused(body[:place] + put + body[place + len(put) :])


@fuzz
@given(values, st.lists(values, max_size=3), st.dictionaries(st.text(max_size=5), values, max_size=3))
def test_what_is_written_is_read(value: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    try:
        body = encode_call(Call(args, kwargs), "it")
        result = encode_result(value, "it")
    except EncodeError:
        # A lookalike of a tag, or a number that JSON can't hold.
        return
    call = decode_call(body)
    assert (call.args, call.kwargs, decode_result(result)) == (args, kwargs, value)


@fuzz
@given(
    st.text(max_size=40),
    st.text(max_size=10),
    st.binary(max_size=100) | envelopes.map(lambda e: json.dumps(e).encode()),
)
def test_any_failure_becomes_an_exception(error: str, message: str, body: bytes) -> None:
    for path in (error, "builtins.ValueError", "builtins.OSError", "builtins.UnicodeDecodeError", "builtins.ExceptionGroup",
                 "pyqueue.exceptions.TaskFailed", "pyqueue.exceptions.Retry", "builtins.StopIteration"):  # fmt: skip
        try:
            failure = Failure(path, message, None, body)
        except UnicodeEncodeError:
            return
        made = rebuilt(failure)
        assert isinstance(made, Exception)
        assert isinstance(made, TaskFailed) or f"{type(made).__module__}." in f"{path}."


@fuzz
@given(
    st.dictionaries(
        st.sampled_from(["task", "args", "kwargs", "options", "immutable", "subtask_type"]), values
    )
)
def test_any_signature_dictionary(form: dict[str, Any]) -> None:
    try:
        signature = Signature.from_dict(form)
    except (ValueError, TypeError, QueueError):
        return
    assert Signature.from_dict(signature.to_dict()) == signature
    repr(signature)


DEEP = 100_000
BOMBS = {
    "lists": b"[" * DEEP + b"]" * DEEP,
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "unclosed lists": b"[" * DEEP,
    "unclosed objects": b'{"a":' * DEEP,
    "in an envelope": b'{"v":1,"args":' + b"[" * 1000 + b"]" * 1000 + b',"kwargs":{}}',
    "tags in tags": b'{"__type__":"date","__value__":' * 5_000 + b"1" + b"}" * 5_000,
    "a number of many digits": b'{"v":1,"result":' + b"9" * 100_000 + b"}",
    "not a number": b'{"v":1,"result":NaN}',
    "infinite": b'{"v":1,"result":-Infinity}',
    "a version of many digits": b'{"v":' + b"1" * 5_000 + b"}",
    "a decimal's exponent": b'{"v":1,"result":{"__type__":"decimal","__value__":"1e9999999999999999999"}}',
    "not UTF-8": b'{"v":1,"result":"\xff"}',
    "UTF-16": '{"v":1,"result":1}'.encode("utf-16"),
    "a NUL": b'{"v":1,"result":1}\0',
    "unknown tag": b'{"v":1,"result":{"__type__":"os.system","__value__":"true"}}',
    "no tag's value": b'{"v":1,"result":{"__type__":"uuid","__value__":{"hex":5}}}',
    "a class": b'{"v":1,"result":{"__type__":"__reduce__","__value__":["os.system",["true"]]}}',
    "empty": b"",
    "true version": b'{"v":true,"result":1}',
    "later version": b'{"v":2,"result":1,"args":[],"kwargs":{},"attributes":{}}',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str) -> None:
    assert refused(BOMBS[name]) == len(DECODERS)


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match="the limit is 1,048,576"):
        decode_call(b"[" * (MAX_BODY + 1))
    with pytest.raises(DecodeError, match="content type"):
        decode_call(b"x", "application/x-python-serialize")


def test_duplicate_keys_exponents_and_lone_surrogates_are_values_like_others() -> None:
    assert decode_result(b'{"v":1,"result":1,"result":2}') == 2
    # As Python reads it; nobody writes it, since an infinity is refused there.
    assert decode_result(b'{"v":1,"result":1e' + b"9" * 100_000 + b"}") == float("inf")
    text = decode_result(b'{"v":1,"result":"\\ud800"}')
    assert (text, decode_result(encode_result(text, "it"))) == ("\ud800", "\ud800")


CHILD = """
import resource, sys
from pyqueue.serialization import decode_call, decode_result
import binascii, datetime, decimal, uuid
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
body = sys.stdin.buffer.read()
for decode in (decode_call, decode_result):
    try:
        decode(body)
    except Exception as error:
        print(type(error).__name__)
"""
ROOM = 400 << 20


def in_a_child(body: bytes, room: int = ROOM) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(room)], input=body, check=False, capture_output=True, timeout=30
    )


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_bounded_memory(name: str) -> None:
    ended = in_a_child(BOMBS[name])
    assert (ended.returncode, ended.stdout.split()) == (0, [b"DecodeError", b"DecodeError"]), ended


def test_the_worst_body_of_the_largest_size_takes_bounded_memory() -> None:
    # Each two bytes become a list of its own: the most objects a byte can buy.
    worst = b'{"v":1,"args":[' + b"[]," * ((MAX_BODY - 40) // 3) + b'[]],"kwargs":{}}'
    assert in_a_child(worst).stdout.split() == [b"DecodeError"], "it is a call, and no result"
    ended = in_a_child(worst, 40 << 20)
    assert b"MemoryError" in ended.stdout + ended.stderr or ended.returncode != 0, "control: the limit is one"
