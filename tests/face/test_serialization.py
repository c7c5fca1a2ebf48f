from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from pyqueue.exceptions import DecodeError, EncodeError
from pyqueue.quick_json import quick_json
from pyqueue.serialization import (
    MAX_DEPTH,
    Call,
    decode_call,
    decode_exception,
    decode_result,
    encode_call,
    encode_exception,
    encode_result,
)


@pytest.fixture(autouse=True, params=["msgspec", "json"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "json":
        monkeypatch.setitem(sys.modules, "msgspec.json", None)
    quick_json.cache_clear()
    assert (quick_json() is None) == (request.param == "json")
    yield request.param
    quick_json.cache_clear()


def there_and_back(value: object) -> object:
    return decode_result(encode_result(value, "it"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        2**70,
        1.5,
        "",
        "ü €",
        "\udcff undecodable",
        [],
        {},
        [1, [2, {"a": None}]],
        b"",
        b"\x00\xff",
        datetime(2024, 2, 29, 12, 0, 1, 5, tzinfo=UTC),
        datetime(2024, 2, 29),
        date(2024, 2, 29),
        time(23, 59, 1),
        Decimal("1.10"),
        UUID("12345678-1234-5678-1234-567812345678"),
        {"__type__": "x"},
        {"__type__": "x", "__value__": 1, "more": 2},
    ],
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert there_and_back(value) == value
    assert type(there_and_back(value)) is type(value)


def test_tags_are_those_that_kombu_reads() -> None:
    envelope = json.loads(encode_result([Decimal("1.5"), date(2024, 1, 2), b"\xff", UUID(int=1)], "it"))
    assert envelope["result"] == [
        {"__type__": "decimal", "__value__": "1.5"},
        {"__type__": "date", "__value__": "2024-01-02"},
        {"__type__": "base64", "__value__": "/w=="},
        {"__type__": "uuid", "__value__": {"hex": UUID(int=1).hex, "version": None}},
    ]


def test_tuples_become_lists_and_keys_become_strings() -> None:
    assert there_and_back({1: (1, 2)}) == {"1": [1, 2]}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({1, 2}, "set; make it a list"),
        (object(), "object"),
        (1j, "complex"),
        ([{"a": Exception}], "type"),
        (float("nan"), "JSON"),
        (float("inf"), "JSON"),
        ({(1, 2): 3}, "tuple"),
        ([{"__type__": "date", "__value__": "x"}], "would be read as a tag"),
    ],
)
def test_a_value_that_is_no_json_is_refused_by_name(value: object, named: str) -> None:
    with pytest.raises(EncodeError, match=named) as caught:
        encode_result(value, "the result of app.add")
    assert "the result of app.add" in str(caught.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(EncodeError):
        encode_result(value, "it")


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_limited_on_both_sides() -> None:
    deepest = nested(MAX_DEPTH - 1)
    assert there_and_back(deepest) == deepest
    with pytest.raises(EncodeError, match="deeper"):
        encode_result(nested(MAX_DEPTH), "it")
    for levels in (MAX_DEPTH, 100_000):
        with pytest.raises(DecodeError, match="deeper"):
            decode_result(b'{"v":1,"result":' + b"[" * levels + b"]" * levels + b"}")


def test_breadth_is_not_depth() -> None:
    wide: list[object] = [[] for _ in range(1_000)]
    assert there_and_back(wide) == wide


def test_size_is_limited_on_both_sides() -> None:
    with pytest.raises(EncodeError, match=r"the limit is 1,000"):
        encode_result("x" * 1_000, "it", 1_000)
    with pytest.raises(DecodeError, match=r"the limit is 1,000"):
        decode_call(encode_call(Call(["x" * 1_000], {}), "it"), None, 1_000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"v":1}',
        b'{"v":2,"args":[],"kwargs":{}}',
        b'{"v":true,"args":[],"kwargs":{}}',
        b'{"v":"1","args":[],"kwargs":{}}',
        b'{"v":1,"args":{},"kwargs":{}}',
        b'{"v":1,"args":[],"kwargs":[]}',
        b'{"v":1,"args":[NaN],"kwargs":{}}',
        b'{"v":1,"args":[1],"kwargs":{},"mapped":true}',
        b'{"v":1,"args":[{"__type__":"os.system","__value__":"true"}],"kwargs":{}}',
        b'{"v":1,"args":[{"__type__":["date"],"__value__":"true"}],"kwargs":{}}',
        b'{"v":1,"args":[{"__type__":"date","__value__":5}],"kwargs":{}}',
        b'{"v":1,"args":[{"__type__":"decimal","__value__":"five"}],"kwargs":{}}',
        b'{"v":1,"args":[{"__type__":"uuid","__value__":{}}],"kwargs":{}}',
        b'{"v":1,"args":[{"__type__":"base64","__value__":"*"}],"kwargs":{}}',
        b'{"v":1,"args":[' + b"9" * 5_000 + b'],"kwargs":{}}',
    ],
)
def test_a_damaged_or_newer_message_is_refused_and_not_guessed(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_call(body)


def test_another_content_type_is_refused() -> None:
    with pytest.raises(DecodeError, match="application/x-python-serialize"):
        decode_call(encode_call(Call([], {}), "it"), "application/x-python-serialize")


def test_decoding_loads_no_module_but_those_of_the_tags() -> None:
    program = (
        "import sys\n"
        "from pyqueue.serialization import decode_result\n"
        "before = set(sys.modules)\n"
        'decode_result(b\'{"v":1,"result":{"__type__":"subprocess.Popen","x":"os"}}\')\n'
        "assert set(sys.modules) == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_exception_keeps_arguments_and_attributes() -> None:
    error = OSError(2, "gone")
    error.code = 7  # type: ignore[attr-defined]
    body = encode_exception(error)
    assert body is not None
    assert decode_exception(body) == ([2, "gone"], {"code": 7})
    assert encode_exception(ValueError(object())) is None
