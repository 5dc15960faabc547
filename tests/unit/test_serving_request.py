"""What a client asks, what it belongs to, and what the gate lets pass."""

from dataclasses import replace

import orjson
import pytest

from services.serving.domain.body import parse_body
from services.serving.domain.context import context_of, continued_trace
from services.serving.domain.gate import (
    Entry,
    EnvironmentKnown,
    Gate,
    ScopeHeld,
    refuse_unknown_model,
)
from services.serving.domain.request import Kind, Request, chat_request, embedding_request
from shared.errors import Denied, Invalid, NotFound
from shared.interactions import Context
from shared.live import Caller, LiveView, Model

SPAN = "b7ad6b7169203331"


def chat(**fields: object) -> Request:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], **fields}
    return chat_request(parse_body(orjson.dumps(body)))


def test_a_request_says_its_model_and_whether_it_streams() -> None:
    request = chat(stream=True, stream_options={"include_usage": True}, temperature=0.5)

    assert (request.kind, request.model) == (Kind.CHAT, "gpt")
    assert (request.streaming, request.wants_usage) == (True, True)
    assert request.options == '{"stream_options":{"include_usage":true},"temperature":0.5}'
    assert request.input_messages == '[{"role":"user","content":"hi"}]'


def test_the_input_text_is_the_last_thing_the_user_said() -> None:
    said = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url"}]},
        {"role": "tool", "content": "42"},
    ]

    assert chat(messages=said).input_text == "see"


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        chat(model="", messages=[], stream="yes", n=0, metadata=[])

    assert caught.value.faults == (
        "'model' must be a name of 1 to 256 characters",
        "'metadata' must be an object",
        "'messages' must be a list of messages, and not empty",
        "'stream' must be true or false",
        "'n' must be a whole number from 1 to 128",
    )


def test_a_message_without_a_role_is_named_by_its_place() -> None:
    with pytest.raises(Invalid) as caught:
        chat(messages=[{"role": "user", "content": "a"}, "b"])

    assert caught.value.faults == ("'messages[1]' must be an object with a 'role'",)


def test_private_metadata_is_known_here_and_never_sent_on() -> None:
    request = chat(metadata={"leeway_demo_status": "500", "team": "x", "number": 3})

    assert request.metadata == {"leeway_demo_status": "500", "team": "x"}
    assert request.body.raw("metadata") == '{"team":"x","number":3}'
    assert "metadata" not in chat(metadata={"leeway_a": "b"}).body.tree


def test_metadata_without_private_pairs_keeps_its_bytes() -> None:
    raw = b'{"model":"m","messages":[{"role":"user"}],"metadata":{"a" : 1.0}}'

    assert chat_request(parse_body(raw)).body.raw("metadata") == '{"a" : 1.0}'


def test_an_embedding_joins_its_texts() -> None:
    request = embedding_request(parse_body(b'{"model":"e","input":["a","b",[1,2]]}'))

    assert (request.kind, request.input_text, request.streaming) == (Kind.EMBEDDING, "a\nb", False)


@pytest.mark.parametrize("given", ['""', "[]", "3", "null"])
def test_an_embedding_of_nothing_is_refused(given: str) -> None:
    with pytest.raises(Invalid, match="'input' must be a string or a list"):
        embedding_request(parse_body(f'{{"model":"e","input":{given}}}'.encode()))


def test_headers_win_over_metadata_and_other_pairs_are_tags() -> None:
    context = context_of(
        {
            "x-leeway-session": "s-1",
            "x-leeway-tags": "tier=gold, team = y",
            "x-leeway-prompt": "p@3",
        },
        {"session_id": "s-2", "user_id": "u-1", "team": "x", "leeway_demo_status": "500"},
        SPAN,
    )

    assert context == Context(
        session_id="s-1",
        user_id="u-1",
        prompt_name="p",
        prompt_version="3",
        tags={"team": "y", "tier": "gold"},
    )


@pytest.mark.parametrize(
    ("headers", "metadata", "fields", "user"),
    [
        ({}, {}, {"user": "ann"}, "ann"),
        ({}, {}, {"safety_identifier": "ben"}, "ben"),
        ({}, {}, {"user": "ann", "safety_identifier": "ben"}, "ann"),
        ({}, {"user_id": "cat"}, {"user": "ann"}, "cat"),
        ({"x-leeway-user": "dan"}, {"user_id": "cat"}, {"user": "ann"}, "dan"),
        ({}, {}, {"user": 7}, ""),
        ({}, {}, {"user": "line\nbreak"}, ""),
        ({}, {}, {"user": "u" * 257}, ""),
    ],
)
def test_openais_own_user_is_the_user_where_nothing_else_names_one(
    headers: dict[str, str], metadata: dict[str, str], fields: dict[str, object], user: str
) -> None:
    assert context_of(headers, metadata, SPAN, user=chat(**fields).user).user_id == user


def test_a_trace_is_continued_with_a_span_of_its_own() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"

    context = context_of({"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}, {}, SPAN)

    assert (context.trace_id, context.parent_span_id) == (trace, "00f067aa0ba902b7")
    assert continued_trace(context) == f"00-{trace}-{SPAN}-01"


@pytest.mark.parametrize(
    "written",
    ["", "00-x-y-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{'a' * 32}-00f067aa0ba902b7-01"],
)
def test_a_malformed_trace_is_ignored(written: str) -> None:
    context = context_of({"traceparent": written}, {}, SPAN)

    assert (context.trace_id, context.span_id, continued_trace(context)) == ("", "", "")


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ({"x-leeway-session": "a\x7fb"}, {}),
        ({"x-leeway-user": "u" * 257}, {}),
        ({}, {"session_id": "line\nbreak"}),
        ({"x-leeway-tags": "novalue"}, {}),
        ({"x-leeway-tags": "=v"}, {}),
        ({}, {"k": "v" * 513}),
        ({}, {f"k{n}": "v" for n in range(65)}),
    ],
)
def test_a_context_that_cannot_be_stored_is_refused(
    headers: dict[str, str], metadata: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as caught:
        context_of(headers, metadata, SPAN)

    assert len(caught.value.faults) == 1


def an_entry(model: str = "gpt", scopes: frozenset[str] = frozenset({"serve"})) -> Entry:
    caller = Caller("acme", "default", "production", "k", scopes)
    return Entry("id", caller, chat(model=model), Context())


def a_live_view() -> LiveView:
    live = LiveView(b"")
    live.models["gpt"] = Model("gpt", ())
    return live


async def test_the_gate_asks_its_checks_in_order_and_stops_at_the_first_refusal() -> None:
    gate = Gate([ScopeHeld("serve"), ScopeHeld("extra")])
    both = frozenset({"serve", "extra"})

    assert await gate.admit(an_entry(scopes=both)) == an_entry(scopes=both)
    with pytest.raises(Denied, match="'serve'"):
        await gate.admit(an_entry(scopes=frozenset()))
    with pytest.raises(Denied, match="'extra'"):
        await gate.admit(an_entry())


async def test_the_gate_lets_no_call_into_an_environment_that_is_not_registered() -> None:
    live = a_live_view()
    live.environments["acme"] = frozenset({"staging"})
    gate = Gate([EnvironmentKnown(live)])

    for known in ("", "production", "staging"):
        await gate.admit(replace(an_entry(), context=Context(environment=known)))
    with pytest.raises(Invalid, match="one of production, staging, got 'moon'") as caught:
        await gate.admit(replace(an_entry(), context=Context(environment="moon")))
    assert (caught.value.status, caught.value.code) == (400, "unknown_environment")


def test_a_model_that_is_not_live_is_refused_before_its_fields_are_read() -> None:
    with pytest.raises(NotFound) as caught:
        refuse_unknown_model({"model": "nope", "messages": []}, a_live_view())
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("model", ["gpt", "", None, 7, ["gpt"]])
def test_what_is_live_and_what_is_no_name_is_left_to_the_fields(model: object) -> None:
    refuse_unknown_model({"model": model}, a_live_view())
