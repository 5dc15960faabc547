"""When two requests ask the same, so that one may be given the other's answer."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.serving.cache.identity import NotSame, digest_of, has_tools, question_of
from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind, Request

CHAT: Mapping[str, Any] = {
    "model": "gpt",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is two and two?"},
    ],
    "temperature": 0.5,
}

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
# What no request is kept with, or is kept whatever it is, is left to tests of its own.
NAMES = st.sampled_from(["messages", "temperature", "seed", "n", "stop", "response_format", "own"])
BODIES = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)


def a_request(tree: Mapping[str, Any] = CHAT, **changes: Any) -> Request:
    given = {"kind": Kind.CHAT, "model": "gpt", "metadata": {}, **changes}
    return Request(body=parse_body(json.dumps(tree).encode()), **given)


def said_otherwise(value: Any) -> Any:
    """The same JSON value with its members in another order and its whole numbers in another form."""
    match value:
        case dict():
            return {name: said_otherwise(value[name]) for name in reversed(list(value))}
        case list():
            return [said_otherwise(each) for each in value]
        case int() if not isinstance(value, bool):
            return float(value)
        case _:
            return value


def equal(one: Any, other: Any) -> bool:
    """Equality of JSON, where true is not 1 though Python says so."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(BODIES)
def test_the_same_body_said_otherwise_is_the_same_request(tree: dict[str, Any]) -> None:
    assert digest_of(a_request(tree)) == digest_of(a_request(said_otherwise(tree)))


@given(BODIES, NAMES, VALUES)
def test_a_body_with_another_value_is_another_request(
    tree: dict[str, Any], name: str, value: Any
) -> None:
    changed = {**tree, name: value}
    assume(not equal(said_otherwise(tree), said_otherwise(changed)))

    assert digest_of(a_request(tree)) != digest_of(a_request(changed))


@given(BODIES, NAMES)
def test_a_body_without_a_member_is_another_request(tree: dict[str, Any], name: str) -> None:
    assume(name in tree)
    less = {key: value for key, value in tree.items() if key != name}

    assert digest_of(a_request(tree)) != digest_of(a_request(less))


@pytest.mark.parametrize(
    ("one", "other"),
    [(b'{"seed":1}', b'{ "seed" : 1.0 }'), (b'{"seed":1e0}', b'{"seed":1}'), (b'{"seed":-0.0}', b'{"seed":0}'), (b'{"own":"\\u00e9"}', '{"own":"é"}'.encode())],
)  # fmt: skip
def test_a_value_in_another_form_is_the_same(one: bytes, other: bytes) -> None:
    bodies = [Request(Kind.CHAT, "gpt", parse_body(raw), {}) for raw in (one, other)]

    assert digest_of(bodies[0]) == digest_of(bodies[1])


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (1, "1"), (None, 0), ([1], [1, 1]), ("e\u0301", "\u00e9")])  # fmt: skip
def test_values_that_look_alike_are_not_the_same(one: Any, other: Any) -> None:
    assert digest_of(a_request({"own": one})) != digest_of(a_request({"own": other}))


def test_the_digest_is_a_whole_sha256() -> None:
    assert len(bytes.fromhex(digest_of(a_request()))) == 32


def test_who_asks_and_under_which_tags_does_not_matter() -> None:
    asked = a_request({**CHAT, "user": "ann", "metadata": {"a": "b"}, "safety_identifier": "x"})

    assert digest_of(asked) == digest_of(a_request())


def test_the_public_model_counts_and_not_the_name_in_the_body() -> None:
    written = a_request({**CHAT, "model": "prompt:support@production"})

    assert digest_of(written) == digest_of(a_request())
    assert digest_of(a_request(model="other")) != digest_of(a_request())


def test_each_protocol_and_a_stream_are_apart() -> None:
    digests = [
        digest_of(a_request()),
        digest_of(a_request(kind=Kind.MESSAGE)),
        digest_of(a_request(kind=Kind.RESPONSE)),
        digest_of(a_request({**CHAT, "stream": True}, streaming=True)),
        digest_of(
            a_request(
                {**CHAT, "stream": True, "stream_options": {"include_usage": True}}, streaming=True
            )
        ),
    ]

    assert len(set(digests)) == 5


def test_a_stream_that_is_refused_in_so_many_words_is_a_whole_answer() -> None:
    said = a_request({**CHAT, "stream": False, "stream_options": None})

    assert digest_of(said) == digest_of(a_request())


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
        {"web_search_options": {"search_context_size": "low"}},
        {"mcp_servers": [{"url": "https://mcp.example"}]},
        {"prompt": {"id": "pmpt_1"}},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        {"seed": 2**80},
        {"seed": 1e300},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_is_answered_from_elsewhere_is_never_the_same(more: dict[str, Any]) -> None:
    with pytest.raises(NotSame):
        digest_of(a_request({**CHAT, **more}))


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.AUDIO])
def test_images_and_sounds_are_never_the_same(kind: Kind) -> None:
    with pytest.raises(NotSame):
        digest_of(a_request(kind=kind))


def test_tools_that_the_client_calls_itself_are_a_part_of_the_request() -> None:
    tool = {"type": "function", "function": {"name": "weather"}}
    asked = a_request({**CHAT, "tools": [tool]})

    assert has_tools(asked)
    assert not has_tools(a_request())
    assert digest_of(asked) != digest_of(a_request())


def test_the_text_of_a_legacy_completion_is_its_own() -> None:
    one, other = (a_request({"prompt": text}, kind=Kind.COMPLETION) for text in ("a", "b"))

    assert digest_of(one) != digest_of(other)
    assert question_of(one) is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.CHAT, {"messages": [{"role": "user", "content": "Why?"}]}),
        (Kind.CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]}),
        (Kind.MESSAGE, {"system": "Be brief.", "messages": [{"role": "user", "content": "Why?"}]}),
        (Kind.RESPONSE, {"input": "Why?"}),
        (Kind.RESPONSE, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}]}),
    ],
)  # fmt: skip
def test_the_question_is_what_the_user_said_last(kind: Kind, body: dict[str, Any]) -> None:
    question = question_of(a_request(body, kind=kind))

    assert question is not None
    assert question.text == "Why?"


def test_questions_have_the_same_rest_when_all_but_the_question_is_the_same() -> None:
    system, user = CHAT["messages"]
    other = {**user, "content": "And three and three?"}

    one = question_of(a_request())
    same = question_of(a_request({**CHAT, "messages": [system, other]}))
    others = [
        question_of(a_request({**CHAT, "messages": [{**system, "content": "Rhyme."}, user]})),
        question_of(a_request({**CHAT, "messages": [system, {**user, "name": "ann"}]})),
        question_of(a_request({**CHAT, "temperature": 0.6})),
        question_of(a_request(model="other")),
    ]

    assert one is not None
    assert same is not None
    assert same.rest == one.rest
    assert all(each is not None and each.rest != one.rest for each in others)


@pytest.mark.parametrize(
    "last",
    [
        {"role": "assistant", "content": "Four."},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
        {"role": "user", "content": []},
        {"role": "user", "content": [{"type": "text", "text": "This?"}, {"type": "image_url"}]},
        "Why?",
    ],
)
def test_a_conversation_that_ends_otherwise_has_no_question(last: Any) -> None:
    assert question_of(a_request({"messages": [CHAT["messages"][0], last]})) is None
