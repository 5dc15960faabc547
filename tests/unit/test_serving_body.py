"""A request's JSON: what is refused, and what keeps its bytes."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.serving.domain.body import MAX_DEPTH, parse_body
from shared.errors import Invalid

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def refused(raw: bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        parse_body(raw)
    return caught.value


def test_only_the_named_members_change_and_every_other_byte_stays() -> None:
    raw = b'{"model":"gpt", "big": 123456789012345678901234567890,"t":1.50,"s":"\\u00e9\\/"}'

    sent = parse_body(raw).rewritten({"model": "gpt-4o-mini"})

    assert sent == (
        b'{"model":"gpt-4o-mini","big":123456789012345678901234567890,"t":1.50,"s":"\\u00e9\\/"}'
    )


def test_a_member_that_is_added_stands_last() -> None:
    assert parse_body(b'{"a":1}').rewritten({"b": True}) == b'{"a":1,"b":true}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nul",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}{"b":2}',
        b"{'a':1}",
        b'{"a":1,}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused_as_such(raw: bytes) -> None:
    assert refused(raw).code == "invalid_json"


@pytest.mark.parametrize(("raw", "kind"), [(b"[]", "list"), (b"null", "NoneType"), (b"3", "int")])
def test_what_is_no_object_is_refused(raw: bytes, kind: str) -> None:
    assert refused(raw).message == f"The body must be a JSON object, not {kind}."


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"a","model":"b"}',
        b'{"a":{"b":[{"c":1,"c":2}]}}',
        b'{"mod\\u0065l":"a","model":"b"}',
        b'{"a":1,"text":"x: y","a" :2}',
        b'{"":1,"":2}',
    ],
)
def test_a_key_that_stands_twice_anywhere_is_refused(raw: bytes) -> None:
    assert refused(raw).code == "duplicate_key"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"\\"a\\": 1, \\"a\\": 2"}',
        b'{"a":"x:y","b":["c:","d"],"e":{"a":"\\\\"}}',
        b'{"a" \t\r\n : ":"}',
    ],
)
def test_text_that_looks_like_keys_is_no_key(raw: bytes) -> None:
    assert parse_body(raw).tree == json.loads(raw)


def test_depth_is_bounded_exactly() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert parse_body(nested(MAX_DEPTH)).tree
    assert refused(nested(MAX_DEPTH + 1)).code == "too_deep"


@settings(max_examples=30)
@given(
    st.dictionaries(st.text(), json_values, min_size=1), st.booleans(), st.sampled_from([None, 1])
)
def test_every_json_object_passes_and_means_the_same_when_sent_on(
    value: dict[str, Any], ascii_: bool, indent: int | None
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_, indent=indent).encode()

    body = parse_body(raw)

    assert json.loads(body.rewritten({})) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    try:
        body = parse_body(raw)
    except Invalid:
        return
    assert body.tree == orjson.loads(raw)
