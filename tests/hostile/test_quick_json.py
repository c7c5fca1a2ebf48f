"""msgspec and ``json`` must say the same of every message."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyqueue.exceptions import DecodeError, EncodeError
from pyqueue.quick_json import fits, quick_json
from pyqueue.serialization import Call, decode_call, decode_result, encode_call, encode_result

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
SHAPES = st.sampled_from(
    ['{"v":1,"result":%s}', '{"v":1,"args":[%s],"kwargs":{}}', "%s", '{"v":1,"result":[%s,1]}']
)
TOKENS = st.lists(
    st.sampled_from(
        [
            r"1e400",
            r"NaN",
            r"-Infinity",
            r'"\ud800"',
            r'"\u005f"',
            r"-0",
            r"1E5",
            r"1.",
            r"01",
            r"{}",
            r"[",
            r"]",
            r'"x":',
            r'"a\nb"',
            r"123456789012345678901",
            r'{"__type__":"uuid"}',
            r'{"a":1,"a":2}',
            r"null",
            r"ÿ",
            r",",
            "\n",
            "\ufeff",
            '"a\nb"',
            "1" * 5000,
        ]
    ),
    max_size=4,
)


def alone(call: Callable[[], Any], codec: str) -> Any:
    """What a call returns or raises with one of the two, and no other."""
    with pytest.MonkeyPatch.context() as patch:
        if codec == "json":
            patch.setitem(sys.modules, "msgspec.json", None)
        quick_json.cache_clear()
        assert (quick_json() is None) == (codec == "json")
        try:
            return "returned", repr(call())
        except (EncodeError, DecodeError) as error:
            return type(error), str(error)
        finally:
            quick_json.cache_clear()


def both(call: Callable[[], Any]) -> tuple[Any, Any]:
    return alone(call, "msgspec"), alone(call, "json")


@given(value=ANYTHING)
@example(value="half of a pair \ud800")
@example(value=2**70)
@example(value='"__type__"')
def test_what_is_written_is_read_alike_whoever_wrote_it(value: object) -> None:
    def body() -> bytes:
        return encode_result(value, "it", 2_000)

    quick, plain = both(lambda: decode_result(body()))
    assert quick == plain
    assert both(lambda: decode_call(encode_call(Call([value, 1], {}), "it")))[0] == alone(
        lambda: decode_call(encode_call(Call([value, 1], {}), "it")), "json"
    )


@given(shape=SHAPES, tokens=TOKENS)
@example(shape='{"v":1,"result":%s}', tokens=["1e400"])
@example(shape='{"v":1,"result":%s}', tokens=['"\\ud800"'])
def test_any_bytes_are_read_alike(shape: str, tokens: list[str]) -> None:
    body = (shape % "".join(tokens)).encode("utf-8", "surrogatepass")
    for read in (decode_result, decode_call):
        quick, plain = both(lambda read=read: read(body))  # type: ignore[misc]
        assert quick == plain


def test_control_the_two_differ_where_nothing_is_checked() -> None:
    quick = quick_json()
    assert quick is not None
    assert quick.encode(math.nan) == b"null"
    assert not fits([math.nan])
    with pytest.raises(EncodeError, match="NaN"):
        encode_result(math.nan, "it")
